// ESP without UDP by AF_XDP: frames are sealed where the kernel takes them, and opened where it put
// them. A veth has no such memory of its own, so that the kernel copies each frame both ways.
#define _GNU_SOURCE
#include "frame.h"
#include "octets.h"
#include "pump.h"
#include "redirect.h"
#include <errno.h>
#include <linux/if_xdp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RECEIVED = 2048, RING = 2048 };

struct queue {
    uint32_t *producer, *consumer;
    void *entries;
};

static int express;
static uint8_t *area;  // first the slab, then what is received into
static struct queue fill, completion, receive, transmit;

static void map_queue(struct queue *queue, struct xdp_ring_offset at, size_t size, off_t what) {
    uint8_t *found = mmap(NULL, at.desc + RING * size, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_POPULATE, express, what);
    if (found == MAP_FAILED) fail("AF_XDP ring");
    queue->producer = (uint32_t *)(found + at.producer);
    queue->consumer = (uint32_t *)(found + at.consumer);
    queue->entries = found + at.desc;
}

static void give(uint64_t address) {
    uint32_t place = *fill.producer;
    ((uint64_t *)fill.entries)[place % RING] = address;
    __atomic_store_n(fill.producer, place + 1, __ATOMIC_RELEASE);
}

static void open_express(int index, int is_native) {
    struct xdp_umem_reg shape = {.len = SLAB + RECEIVED * FRAME, .chunk_size = FRAME};
    area = memory(shape.len);
    shape.addr = (uintptr_t)area;
    int size = RING;
    express = socket(AF_XDP, SOCK_RAW, 0);
    if (express < 0 || setsockopt(express, SOL_XDP, XDP_UMEM_REG, &shape, sizeof shape)
        || setsockopt(express, SOL_XDP, XDP_UMEM_FILL_RING, &size, sizeof size)
        || setsockopt(express, SOL_XDP, XDP_UMEM_COMPLETION_RING, &size, sizeof size)
        || setsockopt(express, SOL_XDP, XDP_RX_RING, &size, sizeof size)
        || setsockopt(express, SOL_XDP, XDP_TX_RING, &size, sizeof size))
        fail("AF_XDP");
    struct xdp_mmap_offsets at;
    socklen_t length = sizeof at;
    if (getsockopt(express, SOL_XDP, XDP_MMAP_OFFSETS, &at, &length)) fail("XDP_MMAP_OFFSETS");
    map_queue(&receive, at.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING);
    map_queue(&transmit, at.tx, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING);
    map_queue(&fill, at.fr, sizeof(uint64_t), (off_t)XDP_UMEM_PGOFF_FILL_RING);
    map_queue(&completion, at.cr, sizeof(uint64_t), (off_t)XDP_UMEM_PGOFF_COMPLETION_RING);
    for (uint64_t frame = 0; frame < RECEIVED; frame++) give(SLAB + frame * FRAME);
    struct sockaddr_xdp here = {.sxdp_family = AF_XDP, .sxdp_flags = XDP_COPY,
                                .sxdp_ifindex = (uint32_t)index};
    if (bind(express, (struct sockaddr *)&here, sizeof here)) fail("AF_XDP bind");
    redirect_esp(index, express, is_native);
}

static void send_express(struct outgoing *out) {
    uint32_t place = *transmit.producer, awaited = *completion.consumer + (uint32_t)out->packet_count;
    for (int index = 0; index < out->packet_count; index++) {
        uint64_t offset = (uint64_t)(out->packets[index].offset - OUTER);
        int esp = HEADER + out->packets[index].body + ICV;
        complete_frame(area + offset, esp);
        ((struct xdp_desc *)transmit.entries)[place++ % RING] =
            (struct xdp_desc){offset, (uint32_t)(OUTER + esp), 0};
    }
    __atomic_store_n(transmit.producer, place, __ATOMIC_RELEASE);
    // Each call sends some; the slab is used again when the kernel is done with all.
    while ((int32_t)(awaited - __atomic_load_n(completion.producer, __ATOMIC_ACQUIRE)) > 0)
        if (sendto(express, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno != EAGAIN && errno != EBUSY)
            fail("AF_XDP send");
    __atomic_store_n(completion.consumer, awaited, __ATOMIC_RELEASE);
}

static void receive_express(void) {
    uint32_t first = *receive.consumer, end = __atomic_load_n(receive.producer, __ATOMIC_ACQUIRE);
    for (uint32_t place = first; place != end; place++) {
        struct xdp_desc *told = &((struct xdp_desc *)receive.entries)[place % RING];
        uint8_t *frame = area + told->addr;
        int esp = esp_in(frame, (int)told->len);
        if (esp) take_datagrams(frame + OUTER, esp, esp);
    }
    flush_in();
    for (uint32_t place = first; place != end; place++)
        give(((struct xdp_desc *)receive.entries)[place % RING].addr / FRAME * FRAME);
    __atomic_store_n(receive.consumer, end, __ATOMIC_RELEASE);
}

void serve_express(const char *remote, int is_native) {
    open_express(prepare_frames(remote), is_native);
    struct outgoing *out = new_outgoing();
    out->slab = area;
    out->headroom = OUTER;
    out->stride = FRAME;
    prepare_inbound();
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct pollfd ends[] = {{device, POLLIN, 0}, {express, POLLIN, 0}};
        if (poll(ends, 2, -1) < 0 && errno != EINTR) fail("poll");
        if (ends[1].revents) receive_express();
        int reads = READS, is_more = ends[0].revents != 0;
        while (is_more) {
            is_more = read_device(out, &reads);
            seal(out);
            send_express(out);
            empty(out);
        }
    }
}
