#define _GNU_SOURCE
#include "CLinux.h"
#include "addresses.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

int cygnet_open_stream(int version) {
    return socket(version == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int cygnet_listen(int fd, int backlog) {
    return listen(fd, backlog);
}

int cygnet_connect(int fd, const struct cygnet_address *address) {
    struct sockaddr_storage storage;
    socklen_t length = cygnet_to_socket_address(address, &storage);
    if (connect(fd, (struct sockaddr *)&storage, length) == 0) return 0;
    return errno == EINPROGRESS ? 0 : -1;
}

int cygnet_accept(int fd, struct cygnet_address *remote) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    memset(&storage, 0, sizeof storage);
    int accepted =
        accept4(fd, (struct sockaddr *)&storage, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (accepted >= 0) cygnet_from_socket_address(&storage, remote);
    return accepted;
}

int cygnet_stream_error(int fd) {
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
    return error;
}

void cygnet_allow_descriptors(uint64_t count) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= count) return;
    limit.rlim_cur = count < limit.rlim_max ? count : limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}
