// One thread and two io_urings: one on which reads of the device and the socket stay open, one for
// what leaves, of which a call takes all.
#define _GNU_SOURCE
#include "pump.h"
#include "ring.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum {
    DEVICE = 0, SOCKET = 1,  // as files and as groups of buffers
    DEVICE_BUFFERS = 16, SOCKET_BUFFERS = 32,
    CONTROL = 64,
    ENTRIES = 512,
    ROOMS = 64,
    READ_MULTISHOT = 49,     // of Linux 6.7, newer than some headers
};

static struct ring sources, exits;
static struct provided reads, receives;
static struct outgoing *out;
static struct message messages[PACKETS];
static uint8_t *rooms;
static unsigned rooms_given, rooms_leaving, leaving;
static int held[SOCKET_BUFFERS], held_count;

static void await_exits(void) {
    if (leaving) submit(&exits, leaving);
    while (leaving) {
        struct io_uring_cqe *done = next_completion(&exits);
        if (!done) {
            submit(&exits, leaving);
            continue;
        }
        if (done->res < 0 && done->user_data == DEVICE && done->res != -ENOBUFS) {
            errno = -done->res;
            fail("write");
        }
        forget_completion(&exits);
        leaving--;
    }
    rooms_leaving = 0;
}

static struct io_uring_sqe *next_exit(int file, int operation, void *what, unsigned octets) {
    if (leaving == ENTRIES) await_exits();
    struct io_uring_sqe *entry = next_entry(&exits);
    entry->opcode = (uint8_t)operation;
    entry->fd = file;
    entry->addr = (uintptr_t)what;
    entry->len = octets;
    entry->user_data = (uint64_t)file;
    leaving++;
    return entry;
}

static void queue_write(uint8_t *from, int octets) {
    next_exit(DEVICE, IORING_OP_WRITE, from, (unsigned)octets);
}

static uint8_t *another_room(void) {
    // All but the one that was given last may still be on their way.
    if (++rooms_leaving == ROOMS) await_exits();
    return rooms + (size_t)(rooms_given++ % ROOMS) * 2 * LONGEST;
}

static void flush_slab(void) {
    seal(out);
    for (int index = 0; index < out->batch_count; index++) {
        describe(out, index, &messages[index]);
        next_exit(SOCKET, IORING_OP_SENDMSG, &messages[index].header, 1);
    }
    await_exits();
    empty(out);
}

static void read_on(void) {
    struct io_uring_sqe *entry = next_entry(&sources);
    entry->opcode = READ_MULTISHOT;
    entry->fd = DEVICE;
    entry->off = (uint64_t)-1;
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = DEVICE;
    entry->user_data = DEVICE;
}

static void receive_on(void) {
    static struct msghdr shape = {.msg_controllen = CONTROL};
    struct io_uring_sqe *entry = next_entry(&sources);
    entry->opcode = IORING_OP_RECVMSG;
    entry->fd = SOCKET;
    entry->addr = (uintptr_t)&shape;
    entry->len = 1;
    entry->ioprio = IORING_RECV_MULTISHOT;
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = SOCKET;
    entry->user_data = SOCKET;
}

static void take_received(uint8_t *buffer) {
    struct io_uring_recvmsg_out *told = (struct io_uring_recvmsg_out *)buffer;
    struct msghdr message = {.msg_control = told + 1, .msg_controllen = told->controllen};
    int length = (int)told->payloadlen;
    take_datagrams(buffer + sizeof *told + CONTROL, length, size_of_each(&message, length));
}

static void take_completion(struct io_uring_cqe *done) {
    int is_device = done->user_data == DEVICE, is_over = !(done->flags & IORING_CQE_F_MORE);
    int index = done->flags & IORING_CQE_F_BUFFER ? (int)(done->flags >> IORING_CQE_BUFFER_SHIFT) : -1;
    if (done->res < 0 && done->res != -ENOBUFS && done->res != -EAGAIN) {
        errno = -done->res;
        fail(is_device ? "read" : "receive");
    }
    if (is_device && index >= 0) {
        uint8_t *buffer = reads.octets + (size_t)index * (size_t)reads.size;
        if (done->res >= OFFLOAD + 20) take_read(out, buffer, done->res);
        give_back(&reads, index);
        if (!has_room(out)) flush_slab();
    } else if (index >= 0) {
        if (done->res > 0) take_received(receives.octets + (size_t)index * (size_t)receives.size);
        held[held_count++] = index;
    }
    if (is_over) is_device ? read_on() : receive_on();
}

void serve_ring(void) {
    int files[] = {device, udp};
    // What has nothing yet is waited for by the ring, unless the file says that nobody waits for it.
    fcntl(device, F_SETFL, fcntl(device, F_GETFL) & ~O_NONBLOCK);
    open_ring(&sources, 64, files, 2);
    open_ring(&exits, ENTRIES, files, 2);
    provide(&sources, &reads, DEVICE, DEVICE_BUFFERS, LONGEST + OFFLOAD + 54);
    provide(&sources, &receives, SOCKET, SOCKET_BUFFERS, LONGEST + 128);
    out = new_outgoing();
    rooms = memory((size_t)ROOMS * 2 * LONGEST);
    to_device = queue_write;
    next_room = another_room;
    prepare_inbound();
    read_on();
    receive_on();
    puts("ready");
    fflush(stdout);
    for (;;) {
        submit(&sources, 1);
        struct io_uring_cqe *done;
        while ((done = next_completion(&sources))) {
            take_completion(done);
            forget_completion(&sources);
        }
        flush_in();
        flush_slab();
        for (; held_count > 0; held_count--) give_back(&receives, held[held_count - 1]);
    }
}
