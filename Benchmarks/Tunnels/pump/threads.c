// A thread each direction; and a pipeline, in which of the outbound direction one thread reads and
// cuts while another seals and sends.
#define _GNU_SOURCE
#include "pump.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

enum { SLABS = 4 };

static void wait_for(int file) {
    struct pollfd source = {file, POLLIN, 0};
    if (poll(&source, 1, -1) < 0 && errno != EINTR) fail("poll");
}

static void begin(void *(*body)(void *)) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, NULL)) fail("thread");
}

static void *serve_inbound(void *) __attribute__((noreturn));
static void *serve_sealing(void *) __attribute__((noreturn));

static void *serve_inbound(void *unused) {
    (void)unused;
    for (;;) {
        wait_for(udp);
        while (inbound(MSG_DONTWAIT) == RECEIVES) continue;
    }
}

void serve_two_threads(void) {
    begin(serve_inbound);
    for (;;) {
        wait_for(device);
        outbound();
    }
}

// Slabs go round: `filled` were given to the thread that sends and `sent` came back.
static struct {
    struct outgoing *slabs[SLABS];
    unsigned filled, sent;
    pthread_mutex_t lock;
    pthread_cond_t changed;
} line = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void *serve_sealing(void *unused) {
    (void)unused;
    for (;;) {
        pthread_mutex_lock(&line.lock);
        while (line.sent == line.filled) pthread_cond_wait(&line.changed, &line.lock);
        pthread_mutex_unlock(&line.lock);
        struct outgoing *out = line.slabs[line.sent % SLABS];
        seal(out);
        send_batches(out);
        empty(out);
        pthread_mutex_lock(&line.lock);
        line.sent++;
        pthread_cond_broadcast(&line.changed);
        pthread_mutex_unlock(&line.lock);
    }
}

// A slab is given away after four reads at most, so that sealing begins while reading goes on.
static void fill_line(void) {
    for (int is_more = 1; is_more;) {
        pthread_mutex_lock(&line.lock);
        while (line.filled - line.sent == SLABS) pthread_cond_wait(&line.changed, &line.lock);
        pthread_mutex_unlock(&line.lock);
        struct outgoing *out = line.slabs[line.filled % SLABS];
        int reads = 4;
        is_more = read_device(out, &reads) || reads == 0;
        if (out->packet_count == 0) return;
        pthread_mutex_lock(&line.lock);
        line.filled++;
        pthread_cond_broadcast(&line.changed);
        pthread_mutex_unlock(&line.lock);
    }
}

void serve_pipeline(void) {
    for (int index = 0; index < SLABS; index++) line.slabs[index] = new_outgoing();
    begin(serve_inbound);
    begin(serve_sealing);
    for (;;) {
        wait_for(device);
        fill_line();
    }
}
