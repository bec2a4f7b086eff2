// The bare pump: what a packet path in user space costs that decides nothing. No policy, no IKE, no
// replay window, no counters; IPv4, one peer, one key that is written here. It reads TCP
// superpackets from a TUN device, cuts them, seals ESP in UDP with AES-128-GCM, sends each batch in
// one call, and the same backwards. Benchmarks compare Cygnet with it; it protects nothing.
//   pump DEVICE LOCAL-ADDRESS REMOTE-ADDRESS
// One thread serves both directions until it is told to stop (SIGTERM).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <intel-ipsec-mb.h>
#include <linux/if_tun.h>
#include <linux/udp.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PORT = 4500,
    READS = 64,              // from the device before sockets get their turn
    RECEIVES = 32,           // datagrams, or batches of them, a call
    LONGEST = 65536,
    DATAGRAM = 65507,        // what UDP over IPv4 carries
    SEGMENTS = 64,           // datagrams a batch
    SLAB = 1 << 20,
    PACKETS = 4096,          // of a slab
    HEADER = 16,             // SPI, sequence number, IV
    ICV = 16,
    SOCKET_BUFFER = 16 << 20,
    FIN_SYN_RST = 0x07,
    FIN_PSH = 0x09,
};

static int device, udp;
static IMB_MGR *cipher;
static struct gcm_key_data key;
static const uint8_t salt[4] = {1, 2, 3, 4};

static void fail(const char *what) {
    fprintf(stderr, "pump: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *memory(size_t octets) {
    void *found = aligned_alloc(4096, octets);
    if (!found) fail("memory");
    return found;
}

static void store16(uint8_t *to, uint16_t value) { memcpy(to, &value, 2); }

static uint32_t load32(const uint8_t *from) {
    uint32_t value;
    memcpy(&value, from, 4);
    return ntohl(value);
}

static void store32(uint8_t *to, uint32_t value) {
    value = htonl(value);
    memcpy(to, &value, 4);
}

// RFC 1071, in the order of octets in memory.
static uint64_t sum(const uint8_t *octets, int count, uint64_t begun) {
    for (; count >= 8; octets += 8, count -= 8) {
        uint64_t word;
        memcpy(&word, octets, 8);
        begun += (uint32_t)word + (word >> 32);
    }
    for (; count >= 2; octets += 2, count -= 2) {
        uint16_t word;
        memcpy(&word, octets, 2);
        begun += word;
    }
    return count ? begun + *octets : begun;
}

static uint16_t folded(uint64_t sum) {
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static uint64_t pseudo_header(const uint8_t *packet, int length) {
    return sum(packet + 12, 8, (uint64_t)htons(IPPROTO_TCP) + htons((uint16_t)length));
}

static int header_length(const uint8_t *packet) { return (packet[0] & 15) * 4; }

static void complete_header(uint8_t *packet, int length) {
    store16(packet + 2, htons((uint16_t)length));
    store16(packet + 10, 0);
    store16(packet + 10, (uint16_t)~folded(sum(packet, header_length(packet), 0)));
}

// Outbound

static struct {
    uint8_t *slab;
    int used, packet_count, batch_count;
    struct {
        int offset, body;
    } packets[PACKETS];
    struct {
        int offset, octets, each, count, is_open;
    } batches[PACKETS];
    uint32_t sequence;
} out;

// The place of an inner packet within the next ESP packet.
static uint8_t *next_place(int length) {
    int body = (length + 2 + 3) & ~3, octets = HEADER + body + ICV, pad = body - length - 2;
    uint8_t *esp = out.slab + out.used;
    store32(esp, 256);
    store32(esp + 4, ++out.sequence);
    store32(esp + 8, 0);
    store32(esp + 12, out.sequence);
    for (int index = 0; index < pad; index++) esp[HEADER + length + index] = (uint8_t)(index + 1);
    esp[HEADER + body - 2] = (uint8_t)pad;
    esp[HEADER + body - 1] = 4;
    out.packets[out.packet_count].offset = out.used;
    out.packets[out.packet_count++].body = body;
    int last = out.batch_count - 1;
    if (last >= 0 && out.batches[last].is_open && octets <= out.batches[last].each
        && out.batches[last].count < SEGMENTS && out.batches[last].octets + octets <= DATAGRAM) {
        out.batches[last].count++;
        out.batches[last].octets += octets;
        out.batches[last].is_open = octets == out.batches[last].each;
    } else {
        last = out.batch_count++;
        out.batches[last].offset = out.used;
        out.batches[last].octets = out.batches[last].each = octets;
        out.batches[last].count = out.batches[last].is_open = 1;
    }
    out.used += octets;
    return esp + HEADER;
}

static void send_batch(int index) {
    struct iovec part = {out.slab + out.batches[index].offset, (size_t)out.batches[index].octets};
    union {
        char room[CMSG_SPACE(sizeof(uint16_t))];
        struct cmsghdr aligned;
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (out.batches[index].count > 1) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control.room;
        struct cmsghdr *size = CMSG_FIRSTHDR(&message);
        size->cmsg_level = IPPROTO_UDP;
        size->cmsg_type = UDP_SEGMENT;
        size->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        store16(CMSG_DATA(size), (uint16_t)out.batches[index].each);
    }
    // A connected socket tells an error of before once, instead of sending.
    if (sendmsg(udp, &message, 0) < 0) sendmsg(udp, &message, 0);
}

static void flush_out(void) {
    struct gcm_context_data context;
    for (int index = 0; index < out.packet_count; index++) {
        uint8_t *esp = out.slab + out.packets[index].offset, iv[12];
        int body = out.packets[index].body;
        memcpy(iv, salt, 4);
        memcpy(iv + 4, esp + 8, 8);
        IMB_AES128_GCM_ENC(cipher, &key, &context, esp + HEADER, esp + HEADER, (uint64_t)body, iv, esp,
                           8, esp + HEADER + body, ICV);
    }
    for (int index = 0; index < out.batch_count; index++) send_batch(index);
    out.used = out.packet_count = out.batch_count = 0;
}

static void cut(const uint8_t *packet, int length, int each) {
    int ip = header_length(packet), tcp = (packet[ip + 12] >> 4) * 4, headers = ip + tcp;
    uint32_t sequence = load32(packet + ip + 4);
    uint16_t identification = (uint16_t)(load32(packet + 4) >> 16);
    const uint8_t *data = packet + headers;
    for (int left = length - headers; left > 0;) {
        int count = left < each ? left : each;
        uint8_t *to = next_place(headers + count);
        memcpy(to, packet, (size_t)headers);
        memcpy(to + headers, data, (size_t)count);
        store16(to + 4, htons(identification++));
        complete_header(to, headers + count);
        store32(to + ip + 4, sequence);
        if (left > each) to[ip + 13] &= (uint8_t)~FIN_PSH;
        store16(to + ip + 16, 0);
        uint64_t begun = pseudo_header(to, tcp + count);
        store16(to + ip + 16, (uint16_t)~folded(sum(to + ip, tcp + count, begun)));
        sequence += (uint32_t)count;
        data += count;
        left -= count;
    }
}

static void outbound(void) {
    static uint8_t buffer[LONGEST + sizeof(struct virtio_net_hdr)];
    for (int reads = 0; reads < READS; reads++) {
        int count = (int)read(device, buffer, sizeof buffer) - (int)sizeof(struct virtio_net_hdr);
        if (count < 20) break;
        struct virtio_net_hdr *offload = (struct virtio_net_hdr *)buffer;
        uint8_t *packet = buffer + sizeof *offload;
        if (packet[0] >> 4 != 4) continue;
        if (offload->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
            if (offload->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
                int start = offload->csum_start;
                store16(packet + start + offload->csum_offset,
                        (uint16_t)~folded(sum(packet + start, count - start, 0)));
            }
            memcpy(next_place(count), packet, (size_t)count);
        } else {
            cut(packet, count, offload->gso_size);
        }
        // Room for one more read, cut into segments as small as TCP makes them.
        if (out.used > SLAB - 2 * LONGEST || out.packet_count > PACKETS - 256) flush_out();
    }
    flush_out();
}

// Inbound

// A superpacket that grows: an offload header and behind it the packet.
static struct {
    uint8_t *room;
    int length, headers, each, is_open;
    uint32_t next;
} in;

static void write_device(const uint8_t *from, int count) {
    if (write(device, from, (size_t)count) < 0 && errno != ENOBUFS) fail("write");
}

static void flush_in(void) {
    if (in.length == 0) return;
    struct virtio_net_hdr offload = {0};
    uint8_t *packet = in.room + sizeof offload;
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
    memcpy(in.room, &offload, sizeof offload);
    write_device(in.room, (int)sizeof offload + in.length);
    in.length = 0;
}

// Whether the segment continues what is there: the same flow, acknowledgement and options.
static int continues(const uint8_t *packet, int ip, int headers, int count) {
    const uint8_t *there = in.room + sizeof(struct virtio_net_hdr);
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
            uint8_t *there = in.room + sizeof(struct virtio_net_hdr);
            if (continues(packet, ip, headers, count)) {
                memcpy(there + in.length, packet + headers, (size_t)count);
                there[ip + 13] |= packet[ip + 13];
                in.length += count;
            } else {
                flush_in();
                memcpy(there, packet, (size_t)length);
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
    memset(packet - sizeof(struct virtio_net_hdr), 0, sizeof(struct virtio_net_hdr));
    write_device(packet - sizeof(struct virtio_net_hdr), length + (int)sizeof(struct virtio_net_hdr));
}

static void open_packet(uint8_t *esp, int length) {
    struct gcm_context_data context;
    uint8_t iv[12], icv[ICV];
    int body = length - HEADER - ICV;
    if (body < 24) return;
    memcpy(iv, salt, 4);
    memcpy(iv + 4, esp + 8, 8);
    IMB_AES128_GCM_DEC(cipher, &key, &context, esp + HEADER, esp + HEADER, (uint64_t)body, iv, esp, 8,
                       icv, ICV);
    if (memcmp(icv, esp + HEADER + body, ICV)) return;
    int inner = body - 2 - esp[HEADER + body - 2];
    if (inner >= 20) deliver(esp + HEADER, inner);
}

static int inbound(void) {
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
    int found = recvmmsg(udp, messages, RECEIVES, MSG_DONTWAIT, NULL);
    for (int index = 0; index < found; index++) {
        int length = (int)messages[index].msg_len, each = length;
        struct msghdr *message = &messages[index].msg_hdr;
        for (struct cmsghdr *one = CMSG_FIRSTHDR(message); one; one = CMSG_NXTHDR(message, one))
            if (one->cmsg_level == IPPROTO_UDP && one->cmsg_type == UDP_GRO)
                memcpy(&each, CMSG_DATA(one), sizeof each);
        for (int offset = 0; offset < length; offset += each)
            open_packet(buffers + index * LONGEST + offset,
                        length - offset < each ? length - offset : each);
    }
    flush_in();
    return found;
}

static void open_device(const char *name) {
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    device = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (device < 0 || ioctl(device, TUNSETIFF, &request) < 0) fail(name);
    if (ioctl(device, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0) fail("TUNSETOFFLOAD");
}

static void open_socket(const char *local, const char *remote) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)}, there = here;
    if (inet_pton(AF_INET, local, &here.sin_addr) != 1
        || inet_pton(AF_INET, remote, &there.sin_addr) != 1)
        fail("addresses");
    udp = socket(AF_INET, SOCK_DGRAM, 0);
    int octets = SOCKET_BUFFER, on = 1, discovery = IP_PMTUDISC_DO;
    if (bind(udp, (struct sockaddr *)&here, sizeof here)
        || connect(udp, (struct sockaddr *)&there, sizeof there)
        || setsockopt(udp, SOL_SOCKET, SO_RCVBUFFORCE, &octets, sizeof octets)
        || setsockopt(udp, SOL_SOCKET, SO_SNDBUFFORCE, &octets, sizeof octets)
        || setsockopt(udp, IPPROTO_UDP, UDP_GRO, &on, sizeof on)
        || setsockopt(udp, SOL_IP, IP_MTU_DISCOVER, &discovery, sizeof discovery))
        fail("socket");
}

int main(int count, char **words) {
    if (count != 4) {
        fprintf(stderr, "usage: pump DEVICE LOCAL-ADDRESS REMOTE-ADDRESS\n");
        return 2;
    }
    open_device(words[1]);
    open_socket(words[2], words[3]);
    uint8_t secret[16] = {1};
    cipher = alloc_mb_mgr(0);
    if (!cipher) fail("memory");
    init_mb_mgr_auto(cipher, NULL);
    IMB_AES128_GCM_PRE(cipher, secret, &key);
    out.slab = memory(SLAB);
    in.room = memory(2 * LONGEST);
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct pollfd sources[] = {{device, POLLIN, 0}, {udp, POLLIN, 0}};
        if (poll(sources, 2, -1) < 0 && errno != EINTR) fail("poll");
        for (int round = 0; sources[1].revents && round < 4; round++)
            if (inbound() < RECEIVES) break;
        if (sources[0].revents) outbound();
    }
}
