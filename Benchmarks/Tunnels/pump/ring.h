// An io_uring, by its system calls alone.
#ifndef RING_H
#define RING_H

#include <linux/io_uring.h>

struct ring {
    int file;
    unsigned queued, submitted, mask, completed_mask;
    unsigned *tail, *completed_head, *completed_tail;
    struct io_uring_sqe *entries;
    struct io_uring_cqe *completed;
};

// Buffers that the kernel chooses from and that come back.
struct provided {
    struct io_uring_buf_ring *ring;
    uint8_t *octets;
    int count, size;
    uint16_t tail;
};

void open_ring(struct ring *ring, unsigned entries, const int *files, unsigned count);
struct io_uring_sqe *next_entry(struct ring *ring);
// Submits what is queued and waits until so many are completed.
void submit(struct ring *ring, unsigned awaited);
// The oldest completion; NULL without any. It is gone with `forget_completion`.
struct io_uring_cqe *next_completion(struct ring *ring);
void forget_completion(struct ring *ring);
void provide(struct ring *ring, struct provided *made, int group, int count, int size);
void give_back(struct provided *provided, int index);

#endif
