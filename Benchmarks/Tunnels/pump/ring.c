#define _GNU_SOURCE
#include "pump.h"
#include "ring.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *map(int file, size_t octets, off_t what) {
    void *found = mmap(NULL, octets, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, what);
    if (found == MAP_FAILED) fail("io_uring memory");
    return found;
}

void open_ring(struct ring *ring, unsigned entries, const int *files, unsigned count) {
    struct io_uring_params wanted = {
        // Completions are made when this thread asks for them: no interrupt of its work.
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = 4096,
    };
    ring->file = (int)syscall(SYS_io_uring_setup, entries, &wanted);
    if (ring->file < 0) fail("io_uring_setup");
    uint8_t *queue = map(ring->file, wanted.sq_off.array + wanted.sq_entries * 4, IORING_OFF_SQ_RING);
    size_t octets = wanted.cq_off.cqes + wanted.cq_entries * sizeof(struct io_uring_cqe);
    uint8_t *done = map(ring->file, octets, IORING_OFF_CQ_RING);
    ring->entries = map(ring->file, wanted.sq_entries * sizeof *ring->entries, IORING_OFF_SQES);
    ring->tail = (unsigned *)(queue + wanted.sq_off.tail);
    ring->mask = wanted.sq_entries - 1;
    // Entries are used in their order.
    for (unsigned index = 0; index < wanted.sq_entries; index++)
        ((unsigned *)(queue + wanted.sq_off.array))[index] = index;
    ring->completed_head = (unsigned *)(done + wanted.cq_off.head);
    ring->completed_tail = (unsigned *)(done + wanted.cq_off.tail);
    ring->completed_mask = wanted.cq_entries - 1;
    ring->completed = (struct io_uring_cqe *)(done + wanted.cq_off.cqes);
    if (syscall(SYS_io_uring_register, ring->file, IORING_REGISTER_FILES, files, count))
        fail("IORING_REGISTER_FILES");
}

struct io_uring_sqe *next_entry(struct ring *ring) {
    struct io_uring_sqe *entry = &ring->entries[ring->queued++ & ring->mask];
    memset(entry, 0, sizeof *entry);
    entry->flags = IOSQE_FIXED_FILE;
    return entry;
}

void submit(struct ring *ring, unsigned awaited) {
    __atomic_store_n(ring->tail, ring->queued, __ATOMIC_RELEASE);
    long taken = syscall(SYS_io_uring_enter, ring->file, ring->queued - ring->submitted, awaited,
                         IORING_ENTER_GETEVENTS, NULL, 0);
    if (taken < 0 && errno != EINTR) fail("io_uring_enter");
    if (taken > 0) ring->submitted += (unsigned)taken;
}

struct io_uring_cqe *next_completion(struct ring *ring) {
    unsigned head = *ring->completed_head;
    if (head == __atomic_load_n(ring->completed_tail, __ATOMIC_ACQUIRE)) return NULL;
    return &ring->completed[head & ring->completed_mask];
}

void forget_completion(struct ring *ring) {
    __atomic_store_n(ring->completed_head, *ring->completed_head + 1, __ATOMIC_RELEASE);
}

void give_back(struct provided *provided, int index) {
    struct io_uring_buf *place = &provided->ring->bufs[provided->tail & (provided->count - 1)];
    place->addr = (uintptr_t)(provided->octets + (size_t)index * (size_t)provided->size);
    place->len = (unsigned)provided->size;
    place->bid = (uint16_t)index;
    __atomic_store_n(&provided->ring->tail, ++provided->tail, __ATOMIC_RELEASE);
}

void provide(struct ring *ring, struct provided *made, int group, int count, int size) {
    made->ring = memory((size_t)count * sizeof(struct io_uring_buf));
    made->octets = memory((size_t)count * (size_t)size);
    made->count = count;
    made->size = size;
    struct io_uring_buf_reg wanted = {.ring_addr = (uintptr_t)made->ring,
                                      .ring_entries = (unsigned)count, .bgid = (uint16_t)group};
    if (syscall(SYS_io_uring_register, ring->file, IORING_REGISTER_PBUF_RING, &wanted, 1))
        fail("IORING_REGISTER_PBUF_RING");
    for (int index = 0; index < count; index++) give_back(made, index);
}
