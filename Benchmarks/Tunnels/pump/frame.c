#define _GNU_SOURCE
#include "frame.h"
#include "octets.h"
#include "pump.h"
#include <errno.h>
#include <linux/filter.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static uint8_t header[OUTER];

// The router's address on the link, which the kernel finds out when something is sent.
static void find_router(uint8_t *address) {
    for (int attempt = 0; attempt < 100; attempt++, usleep(20000)) {
        send(udp, "", 1, 0);
        FILE *table = fopen("/proc/net/arp", "r");
        char line[256], place[32];
        unsigned part[6];
        while (table && fgets(line, sizeof line, table))
            if (sscanf(line, "%*s %*s 0x2 %x:%x:%x:%x:%x:%x %*s %31s", &part[0], &part[1], &part[2],
                       &part[3], &part[4], &part[5], place) == 7 && !strcmp(place, "wan")) {
                for (int index = 0; index < 6; index++) address[index] = (uint8_t)part[index];
                fclose(table);
                return;
            }
        if (table) fclose(table);
    }
    errno = EHOSTUNREACH;
    fail("the router");
}

// Somebody must want ESP, or the kernel answers that there is no such protocol.
static void want_esp(void) {
    struct sock_filter nothing[] = {{BPF_RET | BPF_K, 0, 0, 0}};
    struct sock_fprog filter = {1, nothing};
    int raw = socket(AF_INET, SOCK_RAW, IPPROTO_ESP);
    if (raw < 0 || setsockopt(raw, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter))
        fail("raw socket");
}

int prepare_frames(const char *remote) {
    struct ifreq request = {.ifr_name = "wan"};
    if (ioctl(udp, SIOCGIFHWADDR, &request)) fail("wan");
    memcpy(header + 6, request.ifr_hwaddr.sa_data, 6);
    find_router(header);
    want_esp();
    struct sockaddr_in here;
    socklen_t size = sizeof here;
    getsockname(udp, (struct sockaddr *)&here, &size);
    store16(header + 12, htons(0x0800));
    uint8_t *ip = header + ETHERNET;
    ip[0] = 0x45;
    ip[6] = 0x40;
    ip[8] = 64;
    ip[9] = IPPROTO_ESP;
    memcpy(ip + 12, &here.sin_addr, 4);
    inet_pton(AF_INET, remote, ip + 16);
    return (int)if_nametoindex("wan");
}

void complete_frame(uint8_t *frame, int esp) {
    memcpy(frame, header, OUTER);
    complete_header(frame + ETHERNET, 20 + esp);
}

int esp_in(const uint8_t *frame, int octets) {
    if (octets < OUTER || frame[ETHERNET] != 0x45 || frame[ETHERNET + 9] != IPPROTO_ESP) return 0;
    int length = (int)(load32(frame + ETHERNET) & 0xffff);
    return length <= octets - ETHERNET ? length - 20 : 0;
}
