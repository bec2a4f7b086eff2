#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum { virtio_header_size = 10 };

int cygnet_tun_open(
    const char *name, int with_header, int has_many_queues, const char **call) {
    *call = "open(/dev/net/tun)";
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return -1;
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | (with_header ? IFF_VNET_HDR : 0)
                                | (has_many_queues ? IFF_MULTI_QUEUE : 0));
    *call = "ioctl(TUNSETIFF)";
    int failed = ioctl(fd, TUNSETIFF, &request) != 0;
    if (!failed && with_header) {
        int size = virtio_header_size;
        *call = "ioctl(TUNSETVNETHDRSZ)";
        failed = ioctl(fd, TUNSETVNETHDRSZ, &size) != 0;
    }
    if (failed) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

int cygnet_tun_set_offload(int fd, int with_segmentation, int *has_udp_segmentation) {
    *has_udp_segmentation = 0;
    if (!with_segmentation) return ioctl(fd, TUNSETOFFLOAD, 0ul);
    unsigned long tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
    // USO came with Linux 6.2; an older kernel refuses the unknown bits.
    if (ioctl(fd, TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6) == 0) {
        *has_udp_segmentation = 1;
        return 0;
    }
    return ioctl(fd, TUNSETOFFLOAD, tcp);
}

int cygnet_tun_set_persistent(int fd, int is_persistent) {
    return ioctl(fd, TUNSETPERSIST, (unsigned long)is_persistent);
}

static int open_netlink(int protocol, int flags, unsigned groups) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, protocol);
    if (fd < 0) return -1;
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
    int one = 1;
    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one);
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
    setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

int cygnet_netlink_open(int protocol) { return open_netlink(protocol, 0, 0); }

int cygnet_netlink_watch(int protocol, unsigned groups) {
    return open_netlink(protocol, SOCK_NONBLOCK, groups);
}

int cygnet_interface_index(const char *name) { return (int)if_nametoindex(name); }

int cygnet_join_network_namespace(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    int result = setns(fd, CLONE_NEWNET);
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}
