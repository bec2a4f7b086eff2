#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int fill(struct sockaddr_un *address, socklen_t *length, const char *path) {
    size_t size = strlen(path);
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (size == 0 || size >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address->sun_path, path, size);
    // A leading @ stands for Linux's abstract namespace.
    if (path[0] == '@') address->sun_path[0] = 0;
    *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + (path[0] == '@' ? 0 : 1));
    return 0;
}

static int close_keeping_errno(int fd) {
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int cygnet_unix_connect(const char *path) {
    struct sockaddr_un address;
    socklen_t length;
    if (fill(&address, &length, path) != 0) return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (connect(fd, (struct sockaddr *)&address, length) != 0) return close_keeping_errno(fd);
    return fd;
}

int cygnet_unix_listen(const char *path, uint32_t mode, int backlog) {
    struct sockaddr_un address;
    socklen_t length;
    if (fill(&address, &length, path) != 0) return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    // The mode is set on the socket before bind, so that the path never exists with a wider one.
    if (fchmod(fd, mode) != 0) return close_keeping_errno(fd);
    if (bind(fd, (struct sockaddr *)&address, length) != 0) return close_keeping_errno(fd);
    if (listen(fd, backlog) != 0) return close_keeping_errno(fd);
    return fd;
}

int cygnet_unix_accept(int fd) {
    return accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

int cygnet_unix_peer(int fd, int32_t *pid, uint32_t *uid, uint32_t *gid) {
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return -1;
    *pid = credentials.pid;
    *uid = credentials.uid;
    *gid = credentials.gid;
    return 0;
}

int cygnet_unix_notify(const char *path, const char *text, size_t size) {
    struct sockaddr_un address;
    socklen_t length;
    if (fill(&address, &length, path) != 0) return -1;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    if (sendto(fd, text, size, MSG_NOSIGNAL, (struct sockaddr *)&address, length) < 0)
        return close_keeping_errno(fd);
    close(fd);
    return 0;
}

int cygnet_unix_listener(const char *path, int32_t patience, int32_t *pid, uint32_t *uid) {
    struct sockaddr_un address;
    socklen_t length;
    uint32_t gid;
    if (fill(&address, &length, path) != 0) return -1;
    int wait = patience > 0 ? 0 : SOCK_NONBLOCK;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | wait, 0);
    if (fd < 0) return -1;
    struct timeval limit = { patience / 1000, patience % 1000 * 1000 };
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0
        || connect(fd, (struct sockaddr *)&address, length) != 0
        || cygnet_unix_peer(fd, pid, uid, &gid) != 0)
        return close_keeping_errno(fd);
    close(fd);
    return 0;
}
