// The TUN device and the UDP socket.
#define _GNU_SOURCE
#include "pump.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/udp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int device, udp;

void fail(const char *what) {
    fprintf(stderr, "pump: %s: %s\n", what, strerror(errno));
    exit(1);
}

void *memory(size_t octets) {
    void *found = aligned_alloc(4096, (octets + 4095) & ~(size_t)4095);
    if (!found) fail("memory");
    return found;
}

void open_device(const char *name) {
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    device = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (device < 0 || ioctl(device, TUNSETIFF, &request) < 0) fail(name);
    if (ioctl(device, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0) fail("TUNSETOFFLOAD");
}

// A process with an io_uring leaves its socket behind for some milliseconds when it ends.
static int bind_patiently(int socket, const struct sockaddr_in *here) {
    for (int attempt = 0; attempt < 100; attempt++, usleep(20000))
        if (!bind(socket, (const struct sockaddr *)here, sizeof *here)) return 0;
        else if (errno != EADDRINUSE) break;
    return -1;
}

void open_socket(const char *local, const char *remote) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)}, there = here;
    if (inet_pton(AF_INET, local, &here.sin_addr) != 1
        || inet_pton(AF_INET, remote, &there.sin_addr) != 1)
        fail("addresses");
    udp = socket(AF_INET, SOCK_DGRAM, 0);
    int octets = 16 << 20, on = 1, discovery = IP_PMTUDISC_DO;
    if (bind_patiently(udp, &here)
        || connect(udp, (struct sockaddr *)&there, sizeof there)
        || setsockopt(udp, SOL_SOCKET, SO_RCVBUFFORCE, &octets, sizeof octets)
        || setsockopt(udp, SOL_SOCKET, SO_SNDBUFFORCE, &octets, sizeof octets)
        || setsockopt(udp, IPPROTO_UDP, UDP_GRO, &on, sizeof on)
        || setsockopt(udp, SOL_IP, IP_MTU_DISCOVER, &discovery, sizeof discovery))
        fail("socket");
}
