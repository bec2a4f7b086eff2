#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { wait_maximum = 64 };

int cygnet_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

int cygnet_epoll_control(int fd, int operation, int target, uint32_t events, uint64_t token) {
    struct epoll_event event = {.events = events, .data = {.u64 = token}};
    return epoll_ctl(fd, operation, target, &event);
}

int cygnet_epoll_wait(int fd, uint64_t *tokens, uint32_t *events, int maximum, int milliseconds) {
    struct epoll_event ready[wait_maximum];
    if (maximum > wait_maximum) maximum = wait_maximum;
    int count = epoll_wait(fd, ready, maximum, milliseconds);
    for (int i = 0; i < count; i++) {
        tokens[i] = ready[i].data.u64;
        events[i] = ready[i].events;
    }
    return count;
}

int cygnet_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

void cygnet_eventfd_signal(int fd) { eventfd_write(fd, 1); }

void cygnet_eventfd_drain(int fd) {
    eventfd_t count;
    eventfd_read(fd, &count);
}

int cygnet_timerfd_boottime(void) {
    return timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
}

int cygnet_timerfd_set(int fd, uint64_t nanoseconds) {
    struct itimerspec value = {
        .it_value = {.tv_sec = (time_t)(nanoseconds / 1000000000),
                     .tv_nsec = (long)(nanoseconds % 1000000000)},
    };
    return timerfd_settime(fd, TFD_TIMER_ABSTIME, &value, NULL);
}

int cygnet_signalfd(const int *signals, int count) {
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0) return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int cygnet_signalfd_read(int fd) {
    struct signalfd_siginfo information;
    return read(fd, &information, sizeof information) == sizeof information
               ? (int)information.ssi_signo
               : -1;
}

void cygnet_broken_pipe_ends(int ends) { signal(SIGPIPE, ends ? SIG_DFL : SIG_IGN); }

int cygnet_is_broken_pipe(int fd) {
    struct pollfd place = {.fd = fd};
    return poll(&place, 1, 0) > 0 && (place.revents & (POLLERR | POLLHUP)) != 0;
}

uint64_t cygnet_boottime(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int cygnet_pin_thread(unsigned processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (processor >= CPU_SETSIZE) {
        errno = EINVAL;
        return -1;
    }
    CPU_SET(processor, &set);
    return sched_setaffinity(0, sizeof set, &set);
}

int cygnet_usable_processors(unsigned *numbers, int maximum) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return -1;
    int count = 0;
    for (unsigned number = 0; number < CPU_SETSIZE; number++) {
        if (!CPU_ISSET(number, &set)) continue;
        if (count < maximum) numbers[count] = number;
        count++;
    }
    return count;
}
