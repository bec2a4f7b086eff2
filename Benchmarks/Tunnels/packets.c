// Counted UDP datagrams at a steady rate, for the benchmarks of small packets and of priorities:
//   packets send ADDRESS PORT PACKETS-A-SECOND SECONDS OCTETS [SEGMENTS]
//   packets receive ADDRESS PORT SECONDS
// The sender is one thread that calls sendmmsg, without segmentation offload; with SEGMENTS it hands
// so many datagrams at once to the kernel (UDP_SEGMENT). Each prints how many it sent or received. The receiver stops when it is told to (SIGTERM) or after SECONDS.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/udp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, LONGEST = 1500, LONGEST_WHOLE = 65507, BUFFER = 16 << 20 };

static volatile sig_atomic_t is_stopping;

static void stop(int number) {
    (void)number;
    is_stopping = 1;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void sleep_until(double due) {
    struct timespec time = {(time_t)due, (long)((due - (double)(time_t)due) * 1e9)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static int open_socket(const char *address, const char *port, struct sockaddr_storage *where) {
    memset(where, 0, sizeof *where);
    struct sockaddr_in *v4 = (struct sockaddr_in *)where;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)where;
    if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)atoi(port));
    } else if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)atoi(port));
    } else {
        fprintf(stderr, "packets: %s is no address\n", address);
        exit(2);
    }
    int file = socket(where->ss_family, SOCK_DGRAM, 0);
    int octets = BUFFER;
    setsockopt(file, SOL_SOCKET, SO_RCVBUFFORCE, &octets, sizeof octets);
    setsockopt(file, SOL_SOCKET, SO_SNDBUFFORCE, &octets, sizeof octets);
    return file;
}

static void fail(const char *call) {
    fprintf(stderr, "packets: %s: %s\n", call, strerror(errno));
    exit(1);
}

static void prepare(struct mmsghdr *messages, struct iovec *pieces, char *octets, size_t length) {
    memset(messages, 0, sizeof *messages * BATCH);
    for (int index = 0; index < BATCH; index++) {
        pieces[index] = (struct iovec){octets + index * LONGEST, length};
        messages[index].msg_hdr.msg_iov = &pieces[index];
        messages[index].msg_hdr.msg_iovlen = 1;
    }
}

static char octets[BATCH * LONGEST];
static struct mmsghdr messages[BATCH];
static struct iovec pieces[BATCH];

// Sends `batch` messages a call, of `each` datagrams.
static void send_all(int file, double rate, double seconds, int batch, long each) {
    double begun = now();
    long sent = 0;
    while (!is_stopping && now() - begun < seconds) {
        long due = (long)((now() - begun) * rate) - sent;
        if (due < batch * each) {
            // Half a batch late at most, and no busy waiting: the gateways share the processors.
            sleep_until(begun + (double)(sent + batch * each) / rate);
            continue;
        }
        int count = sendmmsg(file, messages, (unsigned)batch, 0);
        if (count > 0) {
            sent += count * each;
        } else if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR) {
            fail("sendmmsg");
        }
    }
    printf("%ld\n", sent);
}

static void receive_all(int file, double seconds) {
    double begun = now();
    long received = 0;
    struct timeval patience = {0, 100000};
    setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    while (!is_stopping && now() - begun < seconds) {
        int count = recvmmsg(file, messages, BATCH, MSG_WAITFORONE, NULL);
        if (count > 0) {
            received += count;
        }
    }
    printf("%ld\n", received);
}

int main(int count, char **words) {
    struct sockaddr_storage where;
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    if ((count == 7 || count == 8) && strcmp(words[1], "send") == 0) {
        long length = atol(words[6]);
        if (length < 1 || length > LONGEST) {
            fprintf(stderr, "packets: 1 to %d octets\n", LONGEST);
            return 2;
        }
        int file = open_socket(words[2], words[3], &where);
        if (file < 0 || connect(file, (struct sockaddr *)&where, sizeof where) != 0) {
            fail("connect");
        }
        long segments = count == 8 ? atol(words[7]) : 1;
        if (segments < 1 || segments * length > LONGEST_WHOLE) {
            fprintf(stderr, "packets: segments of %d octets in all\n", LONGEST_WHOLE);
            return 2;
        }
        prepare(messages, pieces, octets, (size_t)(segments * length));
        if (segments > 1) {
            int size = (int)length;
            if (setsockopt(file, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size) != 0) {
                fail("UDP_SEGMENT");
            }
        }
        send_all(file, atof(words[4]), atof(words[5]), segments > 1 ? 1 : BATCH, segments);
    } else if (count == 5 && strcmp(words[1], "receive") == 0) {
        int file = open_socket(words[2], words[3], &where);
        if (file < 0 || bind(file, (struct sockaddr *)&where, sizeof where) != 0) {
            fail("bind");
        }
        prepare(messages, pieces, octets, LONGEST);
        receive_all(file, atof(words[4]));
    } else {
        fprintf(stderr, "usage: packets send ADDRESS PORT RATE SECONDS OCTETS [SEGMENTS]\n"
                        "       packets receive ADDRESS PORT SECONDS\n");
        return 2;
    }
    return 0;
}
