// From the device to the link.
#define _GNU_SOURCE
#include "pump.h"
#include "octets.h"
#include <linux/udp.h>
#include <stdlib.h>
#include <unistd.h>

static uint32_t last_sequence;

struct outgoing *new_outgoing(void) {
    struct outgoing *made = calloc(1, sizeof *made);
    if (!made) fail("memory");
    made->slab = memory(SLAB);
    return made;
}

void empty(struct outgoing *out) { out->used = out->packet_count = out->batch_count = 0; }

// Room for one more read, cut into segments as small as TCP makes them.
int has_room(const struct outgoing *out) {
    int needed = out->stride ? 256 * out->stride : 2 * LONGEST;
    return out->used <= SLAB - needed && out->packet_count <= PACKETS - 256;
}

static void join_batch(struct outgoing *out, int octets) {
    int last = out->batch_count - 1;
    if (last >= 0 && out->batches[last].is_open && octets <= out->batches[last].each
        && out->batches[last].count < SEGMENTS && out->batches[last].octets + octets <= DATAGRAM) {
        out->batches[last].count++;
        out->batches[last].octets += octets;
        out->batches[last].is_open = octets == out->batches[last].each;
        return;
    }
    last = out->batch_count++;
    out->batches[last].offset = out->used;
    out->batches[last].octets = out->batches[last].each = octets;
    out->batches[last].count = out->batches[last].is_open = 1;
}

// The place of an inner packet within the next ESP packet.
static uint8_t *next_place(struct outgoing *out, int length) {
    int body = (length + 2 + 3) & ~3, octets = HEADER + body + ICV, pad = body - length - 2;
    uint8_t *esp = out->slab + out->used + out->headroom;
    store32(esp, 256);
    store32(esp + 4, ++last_sequence);
    store32(esp + 8, 0);
    store32(esp + 12, last_sequence);
    for (int index = 0; index < pad; index++) esp[HEADER + length + index] = (uint8_t)(index + 1);
    esp[HEADER + body - 2] = (uint8_t)pad;
    esp[HEADER + body - 1] = 4;
    out->packets[out->packet_count].offset = out->used + out->headroom;
    out->packets[out->packet_count++].body = body;
    if (!out->stride) join_batch(out, octets);
    out->used += out->stride ? out->stride : octets;
    return esp + HEADER;
}

static void cut(struct outgoing *out, const uint8_t *packet, int length, int each) {
    int ip = header_length(packet), tcp = (packet[ip + 12] >> 4) * 4, headers = ip + tcp;
    uint32_t sequence = load32(packet + ip + 4);
    uint16_t identification = (uint16_t)(load32(packet + 4) >> 16);
    const uint8_t *data = packet + headers;
    for (int left = length - headers; left > 0;) {
        int count = left < each ? left : each;
        uint8_t *to = next_place(out, headers + count);
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

void take_read(struct outgoing *out, uint8_t *buffer, int octets) {
    struct virtio_net_hdr *offload = (struct virtio_net_hdr *)buffer;
    uint8_t *packet = buffer + OFFLOAD;
    int count = octets - OFFLOAD;
    if (packet[0] >> 4 != 4) return;
    if (offload->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
        if (offload->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
            int start = offload->csum_start;
            store16(packet + start + offload->csum_offset,
                    (uint16_t)~folded(sum(packet + start, count - start, 0)));
        }
        memcpy(next_place(out, count), packet, (size_t)count);
    } else {
        cut(out, packet, count, offload->gso_size);
    }
}

int read_device(struct outgoing *out, int *reads) {
    static uint8_t buffer[LONGEST + OFFLOAD];
    while (*reads > 0 && has_room(out)) {
        int octets = (int)read(device, buffer, sizeof buffer);
        if (octets < OFFLOAD + 20) return 0;
        --*reads;
        take_read(out, buffer, octets);
    }
    return *reads > 0;
}

void seal(struct outgoing *out) {
    for (int index = 0; index < out->packet_count; index++)
        seal_packet(out->slab + out->packets[index].offset, out->packets[index].body);
}

void describe(const struct outgoing *out, int batch, struct message *message) {
    message->part = (struct iovec){out->slab + out->batches[batch].offset,
                                   (size_t)out->batches[batch].octets};
    message->header = (struct msghdr){.msg_iov = &message->part, .msg_iovlen = 1};
    if (out->batches[batch].count == 1) return;
    message->header.msg_control = &message->control;
    message->header.msg_controllen = sizeof message->control.room;
    struct cmsghdr *size = CMSG_FIRSTHDR(&message->header);
    size->cmsg_level = IPPROTO_UDP;
    size->cmsg_type = UDP_SEGMENT;
    size->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    store16(CMSG_DATA(size), (uint16_t)out->batches[batch].each);
}

void send_batches(struct outgoing *out) {
    for (int index = 0; index < out->batch_count; index++) {
        struct message message;
        describe(out, index, &message);
        // A connected socket tells an error of before once, instead of sending.
        if (sendmsg(udp, &message.header, 0) < 0) sendmsg(udp, &message.header, 0);
    }
}

void outbound(void) {
    static struct outgoing *out;
    if (!out) out = new_outgoing();
    int reads = READS, is_more;
    do {
        is_more = read_device(out, &reads);
        seal(out);
        send_batches(out);
        empty(out);
    } while (is_more);
}
