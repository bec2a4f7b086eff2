#define _GNU_SOURCE
#include "CLinux.h"
#include "addresses.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

// Room for packet information, segment size, traffic class and queue errors together.
enum { control_room = 256 };

socklen_t cygnet_to_socket_address(const struct cygnet_address *from, struct sockaddr_storage *to) {
    if (from->version == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)to;
        memset(in, 0, sizeof *in);
        in->sin_family = AF_INET;
        in->sin_port = htons(from->port);
        memcpy(&in->sin_addr, from->bytes, 4);
        return sizeof *in;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
    memset(in6, 0, sizeof *in6);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(from->port);
    in6->sin6_scope_id = from->scope;
    memcpy(&in6->sin6_addr, from->bytes, 16);
    return sizeof *in6;
}

void cygnet_from_socket_address(const struct sockaddr_storage *from, struct cygnet_address *to) {
    memset(to, 0, sizeof *to);
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        to->version = 4;
        to->port = ntohs(in->sin_port);
        memcpy(to->bytes, &in->sin_addr, 4);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
        to->version = 6;
        to->port = ntohs(in6->sin6_port);
        to->scope = in6->sin6_scope_id;
        memcpy(to->bytes, &in6->sin6_addr, 16);
    }
}

int cygnet_open_socket(int version, int protocol) {
    int type = protocol == 0 ? SOCK_DGRAM : SOCK_RAW;
    return socket(version == 4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
}

int cygnet_set_option(int fd, int level, int name, int value) {
    return setsockopt(fd, level, name, &value, sizeof value);
}

int cygnet_steer_by_spi(int fd, unsigned count) {
    // Loads past the end of a datagram give 0, as does the non-ESP marker: the first socket.
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program);
}

int cygnet_keep_spis(int fd, int version, unsigned offset, unsigned index, unsigned count) {
    struct sock_filter code[] = {
        // The octets of the IP header: a raw socket sees that of IPv4, and none of IPv6.
        version == 4 ? (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0)
                     : (struct sock_filter)BPF_STMT(BPF_LDX | BPF_W | BPF_IMM, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_IND, offset),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, index, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

int cygnet_bind(int fd, const struct cygnet_address *address) {
    struct sockaddr_storage storage;
    socklen_t length = cygnet_to_socket_address(address, &storage);
    return bind(fd, (struct sockaddr *)&storage, length);
}

int cygnet_local_address(int fd, struct cygnet_address *address) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    memset(&storage, 0, sizeof storage);
    if (getsockname(fd, (struct sockaddr *)&storage, &length) != 0) return -1;
    cygnet_from_socket_address(&storage, address);
    return 0;
}

/// In the order in which they stood in the packet, which is the kernel's order too. What has no
/// room makes the datagram a truncated one.
static void take_extension(const struct cmsghdr *c, uint8_t number, struct cygnet_datagram *datagram) {
    size_t length = c->cmsg_len - CMSG_LEN(0);
    if (datagram->extensions == NULL) return;
    if (length > (size_t)(datagram->extensions_capacity - datagram->extensions_length)) {
        datagram->is_truncated = 1;
        return;
    }
    if (datagram->extensions_length == 0) datagram->first_extension = number;
    memcpy(datagram->extensions + datagram->extensions_length, CMSG_DATA(c), length);
    datagram->extensions_length = (uint16_t)(datagram->extensions_length + length);
}

static void read_control(struct msghdr *message, struct cygnet_datagram *datagram) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            datagram->local.version = 4;
            memcpy(datagram->local.bytes, &info.ipi_addr, 4);
            datagram->interface_index = (uint32_t)info.ipi_ifindex;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            datagram->local.version = 6;
            memcpy(datagram->local.bytes, &info.ipi6_addr, 16);
            datagram->interface_index = info.ipi6_ifindex;
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
            datagram->traffic_class = *CMSG_DATA(c);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
            int value;
            memcpy(&value, CMSG_DATA(c), sizeof value);
            datagram->traffic_class = (uint8_t)value;
        } else if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL)
                   || (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)) {
            int value;
            memcpy(&value, CMSG_DATA(c), sizeof value);
            datagram->hop_limit = (uint8_t)value;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPOPTS) {
            take_extension(c, IPPROTO_HOPOPTS, datagram);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RTHDR) {
            take_extension(c, IPPROTO_ROUTING, datagram);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_DSTOPTS) {
            take_extension(c, IPPROTO_DSTOPTS, datagram);
        } else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
            int value;
            memcpy(&value, CMSG_DATA(c), sizeof value);
            datagram->segment_size = (uint32_t)value;
        }
    }
}

int cygnet_receive(int fd, struct cygnet_datagram *datagrams, uint32_t count) {
    struct mmsghdr messages[CYGNET_BATCH_MAXIMUM];
    struct iovec vectors[CYGNET_BATCH_MAXIMUM];
    struct sockaddr_storage names[CYGNET_BATCH_MAXIMUM];
    _Alignas(struct cmsghdr) uint8_t control[CYGNET_BATCH_MAXIMUM][control_room];
    if (count > CYGNET_BATCH_MAXIMUM) count = CYGNET_BATCH_MAXIMUM;
    for (uint32_t i = 0; i < count; i++) {
        vectors[i] = (struct iovec){datagrams[i].bytes, datagrams[i].capacity};
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &names[i],
            .msg_namelen = sizeof names[i],
            .msg_iov = &vectors[i],
            .msg_iovlen = 1,
            .msg_control = control[i],
            .msg_controllen = control_room,
        };
    }
    int received = recvmmsg(fd, messages, count, MSG_DONTWAIT, NULL);
    for (int i = 0; i < received; i++) {
        struct cygnet_datagram *datagram = &datagrams[i];
        datagram->length = messages[i].msg_len;
        datagram->segment_size = 0;
        datagram->traffic_class = 0;
        datagram->hop_limit = 0;
        datagram->interface_index = 0;
        datagram->extensions_length = 0;
        // Headers that are missing would only make what they belong to look forged.
        int is_cut = datagram->extensions != NULL ? MSG_TRUNC | MSG_CTRUNC : MSG_TRUNC;
        datagram->is_truncated = (messages[i].msg_hdr.msg_flags & is_cut) != 0;
        memset(&datagram->local, 0, sizeof datagram->local);
        cygnet_from_socket_address(&names[i], &datagram->remote);
        read_control(&messages[i].msg_hdr, datagram);
    }
    return received;
}

static struct cmsghdr *append(struct msghdr *message, int level, int type, const void *value,
                              size_t size) {
    struct cmsghdr *c = (struct cmsghdr *)((uint8_t *)message->msg_control + message->msg_controllen);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), value, size);
    message->msg_controllen += CMSG_SPACE(size);
    return c;
}

static void write_control(struct msghdr *message, const struct cygnet_datagram *datagram) {
    int traffic_class = datagram->traffic_class;
    int hop_limit = datagram->hop_limit;
    if (datagram->remote.version == 4) {
        if (datagram->local.version == 4) {
            struct in_pktinfo info = {0};
            memcpy(&info.ipi_spec_dst, datagram->local.bytes, 4);
            append(message, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
        }
        if (traffic_class)
            append(message, IPPROTO_IP, IP_TOS, &traffic_class, sizeof traffic_class);
        if (hop_limit) append(message, IPPROTO_IP, IP_TTL, &hop_limit, sizeof hop_limit);
    } else {
        if (datagram->local.version == 6) {
            struct in6_pktinfo info = {.ipi6_ifindex = datagram->interface_index};
            memcpy(&info.ipi6_addr, datagram->local.bytes, 16);
            append(message, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
        }
        if (traffic_class)
            append(message, IPPROTO_IPV6, IPV6_TCLASS, &traffic_class, sizeof traffic_class);
        if (hop_limit) append(message, IPPROTO_IPV6, IPV6_HOPLIMIT, &hop_limit, sizeof hop_limit);
    }
    if (datagram->segment_size && datagram->segment_size < datagram->length) {
        uint16_t size = (uint16_t)datagram->segment_size;
        append(message, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size);
    }
}

static void prepare(const struct cygnet_datagram *datagram, struct msghdr *message,
                    struct iovec *vector, struct sockaddr_storage *name, uint8_t *control) {
    *vector = (struct iovec){datagram->bytes, datagram->length};
    memset(control, 0, control_room);
    *message = (struct msghdr){
        .msg_name = name,
        .msg_namelen = cygnet_to_socket_address(&datagram->remote, name),
        .msg_iov = vector,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = 0,
    };
    write_control(message, datagram);
    if (message->msg_controllen == 0) message->msg_control = NULL;
}

int cygnet_send(int fd, const struct cygnet_datagram *datagram) {
    struct msghdr message;
    struct iovec vector;
    struct sockaddr_storage name;
    _Alignas(struct cmsghdr) uint8_t control[control_room];
    prepare(datagram, &message, &vector, &name, control);
    return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int cygnet_send_many(int fd, const struct cygnet_datagram *datagrams, uint32_t count) {
    struct mmsghdr messages[CYGNET_BATCH_MAXIMUM];
    struct iovec vectors[CYGNET_BATCH_MAXIMUM];
    struct sockaddr_storage names[CYGNET_BATCH_MAXIMUM];
    _Alignas(struct cmsghdr) uint8_t control[CYGNET_BATCH_MAXIMUM][control_room];
    if (count > CYGNET_BATCH_MAXIMUM) count = CYGNET_BATCH_MAXIMUM;
    for (uint32_t i = 0; i < count; i++)
        prepare(&datagrams[i], &messages[i].msg_hdr, &vectors[i], &names[i], control[i]);
    return sendmmsg(fd, messages, count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int cygnet_receive_error(int fd, int version, int32_t *error, uint32_t *mtu, int32_t *is_own,
                         struct cygnet_address *remote) {
    uint8_t payload[64];
    struct iovec vector = {payload, sizeof payload};
    struct sockaddr_storage name;
    memset(&name, 0, sizeof name);
    _Alignas(struct cmsghdr) uint8_t control[512];
    struct msghdr message = {
        .msg_name = &name,
        .msg_namelen = sizeof name,
        .msg_iov = &vector,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof control,
    };
    if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return 0;
    *error = 0;
    *mtu = 0;
    *is_own = 0;
    cygnet_from_socket_address(&name, remote);
    int level = version == 4 ? IPPROTO_IP : IPPROTO_IPV6;
    int type = version == 4 ? IP_RECVERR : IPV6_RECVERR;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != level || c->cmsg_type != type) continue;
        struct sock_extended_err failure;
        memcpy(&failure, CMSG_DATA(c), sizeof failure);
        *error = (int32_t)failure.ee_errno;
        *is_own = failure.ee_origin == SO_EE_ORIGIN_LOCAL;
        if (failure.ee_errno == EMSGSIZE) *mtu = failure.ee_info;
    }
    return 1;
}
