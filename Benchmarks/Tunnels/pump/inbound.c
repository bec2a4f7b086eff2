// From the link to the device.
#define _GNU_SOURCE
#include "pump.h"
#include "octets.h"
#include <errno.h>
#include <linux/udp.h>
#include <unistd.h>

// A superpacket that grows: an offload header and behind it the packet.
static struct {
    uint8_t *room;
    int length, headers, each, is_open;
    uint32_t next;
} in;

static void write_device(uint8_t *from, int octets) {
    if (write(device, from, (size_t)octets) < 0 && errno != ENOBUFS) fail("write");
}

static uint8_t *same_room(void) { return in.room; }

void (*to_device)(uint8_t *from, int octets) = write_device;
uint8_t *(*next_room)(void) = same_room;

void prepare_inbound(void) {
    if (next_room == same_room) in.room = memory(2 * LONGEST);
    in.room = next_room();
}

void flush_in(void) {
    if (in.length == 0) return;
    struct virtio_net_hdr offload = {0};
    uint8_t *packet = in.room + OFFLOAD;
    if (in.length > in.headers + in.each) {
        int ip = header_length(packet);
        complete_header(packet, in.length);
        store16(packet + ip + 16, folded(pseudo_header(packet, in.length - ip)));
        offload.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        offload.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
        offload.hdr_len = (uint16_t)in.headers;
        offload.gso_size = (uint16_t)in.each;
        offload.csum_start = (uint16_t)ip;
        offload.csum_offset = 16;
    }
    memcpy(in.room, &offload, OFFLOAD);
    to_device(in.room, OFFLOAD + in.length);
    in.length = 0;
    in.room = next_room();
}

// Whether the segment continues what is there: the same flow, acknowledgement and options.
static int continues(const uint8_t *packet, int ip, int headers, int count) {
    const uint8_t *there = in.room + OFFLOAD;
    return in.length > 0 && in.is_open && headers == in.headers && count <= in.each
        && in.length + count < LONGEST && load32(packet + ip + 4) == in.next
        && !memcmp(there + 12, packet + 12, 8) && !memcmp(there + ip, packet + ip, 4)
        && !memcmp(there + ip + 8, packet + ip + 8, 4)
        && !memcmp(there + ip + 20, packet + ip + 20, (size_t)(headers - ip - 20));
}

static void deliver(uint8_t *packet, int length) {
    int ip = header_length(packet);
    if (packet[9] == IPPROTO_TCP && length >= ip + 20) {
        int headers = ip + (packet[ip + 12] >> 4) * 4, count = length - headers;
        if (count > 0 && !(packet[ip + 13] & FIN_SYN_RST)
            && folded(sum(packet + ip, length - ip, pseudo_header(packet, length - ip))) == 0xffff) {
            if (continues(packet, ip, headers, count)) {
                uint8_t *there = in.room + OFFLOAD;
                memcpy(there + in.length, packet + headers, (size_t)count);
                there[ip + 13] |= packet[ip + 13];
                in.length += count;
            } else {
                flush_in();
                memcpy(in.room + OFFLOAD, packet, (size_t)length);
                in.length = length;
                in.headers = headers;
                in.each = count;
            }
            in.next = load32(packet + ip + 4) + (uint32_t)count;
            in.is_open = count == in.each;
            return;
        }
    }
    flush_in();
    // The ESP header before it is no longer needed.
    memset(packet - OFFLOAD, 0, OFFLOAD);
    to_device(packet - OFFLOAD, length + OFFLOAD);
}

void take_datagrams(uint8_t *octets, int length, int each) {
    for (int offset = 0; offset < length; offset += each) {
        uint8_t *esp = octets + offset;
        int inner = open_packet(esp, length - offset < each ? length - offset : each);
        if (inner) deliver(esp + HEADER, inner);
    }
}

int size_of_each(struct msghdr *message, int length) {
    int each = length;
    for (struct cmsghdr *one = CMSG_FIRSTHDR(message); one; one = CMSG_NXTHDR(message, one))
        if (one->cmsg_level == IPPROTO_UDP && one->cmsg_type == UDP_GRO)
            memcpy(&each, CMSG_DATA(one), sizeof each);
    return each;
}

int inbound(int flags) {
    static uint8_t *buffers;
    if (!buffers) buffers = memory(RECEIVES * LONGEST);
    struct mmsghdr messages[RECEIVES];
    struct iovec parts[RECEIVES];
    _Alignas(struct cmsghdr) char control[RECEIVES][64];
    for (int index = 0; index < RECEIVES; index++) {
        parts[index] = (struct iovec){buffers + index * LONGEST, LONGEST};
        messages[index].msg_hdr = (struct msghdr){.msg_iov = &parts[index], .msg_iovlen = 1,
                                                  .msg_control = control[index],
                                                  .msg_controllen = sizeof control[index]};
    }
    int found = recvmmsg(udp, messages, RECEIVES, flags, NULL);
    for (int index = 0; index < found; index++) {
        int length = (int)messages[index].msg_len;
        take_datagrams(buffers + index * LONGEST, length,
                       size_of_each(&messages[index].msg_hdr, length));
    }
    flush_in();
    return found;
}
