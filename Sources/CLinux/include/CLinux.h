// What Linux offers and Swift's importer cannot see, or can only see with _GNU_SOURCE, which a
// header must not define (it would change the layout of Glibc's own types).
#ifndef CYGNET_LINUX_H
#define CYGNET_LINUX_H

#include <stdint.h>
#include <sys/types.h>

// MARK: Sockets

/// An address and a port in network-independent form; `port` is in host order.
struct cygnet_address {
    uint8_t version;  // 4, 6, or 0 when there is none
    uint8_t bytes[16];
    uint16_t port;
    uint32_t scope;  // interface index of a link-local address
};

/// One datagram, or a batch of equal segments (UDP_SEGMENT, UDP_GRO), in one stretch of memory.
struct cygnet_datagram {
    uint8_t *bytes;
    uint32_t capacity;
    uint32_t length;
    uint32_t segment_size;  // 0: a single datagram
    uint32_t interface_index;
    struct cygnet_address remote;
    struct cygnet_address local;
    uint8_t traffic_class;
    uint8_t hop_limit;  // TTL or hop limit; 0: not known, or the system's own
    /// IPv6 extension headers that came before the payload, where a socket was asked for them:
    /// room for them (or null), and the protocol number of the first.
    uint8_t first_extension;
    uint16_t extensions_capacity;
    uint16_t extensions_length;
    uint8_t *extensions;
    uint8_t is_truncated;
};

enum { CYGNET_BATCH_MAXIMUM = 64 };

/// A socket of `version`; kind 0: UDP, otherwise raw with that protocol number. -1 and errno.
int cygnet_open_socket(int version, int protocol);
int cygnet_set_option(int fd, int level, int name, int value);
/// Among the sockets that share an address and port (SO_REUSEPORT), in the order in which they were
/// bound, a datagram is for that with the number `SPI mod count`; what has none is for the first.
int cygnet_steer_by_spi(int fd, unsigned count);
/// A raw socket receives only packets with `SPI mod count` equal to `index`, the SPI being `offset`
/// octets behind the IP header.
int cygnet_keep_spis(int fd, int version, unsigned offset, unsigned index, unsigned count);
int cygnet_bind(int fd, const struct cygnet_address *address);
int cygnet_local_address(int fd, struct cygnet_address *address);
/// recvmmsg without waiting: the number received, or -1 and errno.
int cygnet_receive(int fd, struct cygnet_datagram *datagrams, uint32_t count);
/// One sendmsg without waiting: 0, or -1 and errno.
int cygnet_send(int fd, const struct cygnet_datagram *datagram);
/// sendmmsg without waiting: the number sent, or -1 and errno.
int cygnet_send_many(int fd, const struct cygnet_datagram *datagrams, uint32_t count);
/// Takes one error off the queue: 1 and fills in, 0 when there is none. `is_own`: it is the
/// system's own word, not an ICMP message's.
int cygnet_receive_error(int fd, int version, int32_t *error, uint32_t *mtu, int32_t *is_own,
                         struct cygnet_address *remote);

// MARK: Streams

/// A TCP socket of `version` that does not wait. -1 and errno.
int cygnet_open_stream(int version);
int cygnet_listen(int fd, int backlog);
/// 0, also while the connection is being made; -1 and errno.
int cygnet_connect(int fd, const struct cygnet_address *address);
/// The next connection that waits, which does not wait either. -1 and errno.
int cygnet_accept(int fd, struct cygnet_address *remote);
/// What became of a connection that was being made: 0, or an error number.
int cygnet_stream_error(int fd);
/// Lets the process have up to so many descriptors, as far as it may.
void cygnet_allow_descriptors(uint64_t count);

// MARK: Unix sockets

int cygnet_unix_listen(const char *path, uint32_t mode, int backlog);
int cygnet_unix_connect(const char *path);
int cygnet_unix_accept(int fd);
int cygnet_unix_peer(int fd, int32_t *pid, uint32_t *uid, uint32_t *gid);
int cygnet_unix_notify(const char *path, const char *text, size_t length);
/// Who listens on a socket, as the kernel vouches for it. Waits at most `patience` milliseconds where its
/// queue is full. 0, or -1 and errno.
int cygnet_unix_listener(const char *path, int32_t patience, int32_t *pid, uint32_t *uid);

// MARK: Events

int cygnet_epoll_create(void);
/// operation 1: add, 2: remove, 3: modify; the token comes back from the wait.
int cygnet_epoll_control(int fd, int operation, int target, uint32_t events, uint64_t token);
int cygnet_epoll_wait(int fd, uint64_t *tokens, uint32_t *events, int maximum, int milliseconds);
int cygnet_eventfd(void);
void cygnet_eventfd_signal(int fd);
void cygnet_eventfd_drain(int fd);
int cygnet_timerfd_boottime(void);
int cygnet_timerfd_set(int fd, uint64_t nanoseconds);
int cygnet_signalfd(const int *signals, int count);
int cygnet_signalfd_read(int fd);
/// Whether writing where nobody reads any more ends the process, or is an error like others.
void cygnet_broken_pipe_ends(int ends);
/// Whether nobody reads any more what is written there.
int cygnet_is_broken_pipe(int fd);
uint64_t cygnet_boottime(void);

// MARK: Processors

/// Keeps the calling thread on one processor. -1 and errno.
int cygnet_pin_thread(unsigned processor);
/// Writes the numbers of the processors that this process may use, in order, and returns how many
/// there are; -1 and errno.
int cygnet_usable_processors(unsigned *numbers, int maximum);

// MARK: TUN

/// Creates or attaches to a device; offloads are set (also to none). -1 and errno, and `call`
/// names what failed.
int cygnet_tun_open(
    const char *name, int with_header, int has_many_queues, const char **call);
/// Sets the offloads that the kernel may hand over: TSO always, USO where there is support.
int cygnet_tun_set_offload(int fd, int with_segmentation, int *has_udp_segmentation);
/// Whether the device outlives whoever has it open. -1 and errno.
int cygnet_tun_set_persistent(int fd, int is_persistent);

// MARK: Steering by mark

enum { CYGNET_MARKS_MAXIMUM = 15 };

/// Loads a program that tells a TUN device by which of its queues a packet comes: unmarked ones, by
/// their flow, by one of the first `unmarked_queues`, and those with the mark of index i by one of
/// `queues_per_mark` from `unmarked_queues + i * queues_per_mark` on. Both are 1 at least. The number
/// of the program, and in `marks` where its marks are; -1 and errno, and `call` names what failed.
/// Linux 5.5.
int cygnet_steering_load(
    unsigned unmarked_queues, unsigned queues_per_mark, uint64_t **marks, const char **call);
/// Sets the mark of an index; a mask of 0 ends the marks. Packets may pass meanwhile.
void cygnet_steering_set(uint64_t *marks, unsigned index, uint32_t value, uint32_t mask);
/// Gives back the memory of the marks; a program that a device has stays with the marks as they are.
void cygnet_steering_unload(uint64_t *marks);
/// Has a device ask a program; -1 for none, and the kernel tells by the flow. -1 and errno.
int cygnet_steering_attach(int tun, int program);

// MARK: Netlink

int cygnet_netlink_open(int protocol);
/// A netlink socket that does not wait, and hears what happens in `groups`. -1 and errno.
int cygnet_netlink_watch(int protocol, unsigned groups);
int cygnet_interface_index(const char *name);
/// Moves the calling thread into the network namespace at a path. -1 and errno.
int cygnet_join_network_namespace(const char *path);

// MARK: Confinement

int cygnet_capabilities_keep(const int *capabilities, int count);
int cygnet_capabilities_effective(uint64_t *mask);
int cygnet_no_new_privileges(void);
int cygnet_not_dumpable(void);
/// Refuses the numbered system calls with EPERM in every thread; -1 and errno.
int cygnet_seccomp_refuse(const int *numbers, int count);
/// The Landlock version of the kernel, or -1 and errno.
int cygnet_landlock_version(void);
/// Restricts the file system to paths; access 0: read, 1: read and write. -1 and errno.
int cygnet_landlock_restrict(const char *const *paths, const int *access, int count);

#endif
