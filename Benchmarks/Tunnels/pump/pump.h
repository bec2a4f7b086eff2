// What the files of the bare pump share; `pump.c` says what it is.
#ifndef PUMP_H
#define PUMP_H

#include <intel-ipsec-mb.h>
#include <linux/virtio_net.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    PORT = 4500,
    READS = 64,              // from the device before sockets get their turn
    RECEIVES = 32,           // datagrams, or batches of them, a call
    LONGEST = 65536,
    DATAGRAM = 65507,        // what UDP over IPv4 carries
    SEGMENTS = 64,           // datagrams a batch
    SLAB = 1 << 20,
    PACKETS = 4096,          // of a slab
    HEADER = 16,             // SPI, sequence number, IV
    ICV = 16,
    OFFLOAD = sizeof(struct virtio_net_hdr),
    FIN_SYN_RST = 0x07,
    FIN_PSH = 0x09,
};

// Ends (ends.c)
extern int device, udp;
void fail(const char *what) __attribute__((noreturn));
void *memory(size_t octets);
void open_device(const char *name);
void open_socket(const char *local, const char *remote);

// The cipher (cipher.c)
void prepare_cipher(void);
void seal_packet(uint8_t *esp, int body);
// The octets of the inner packet behind the header; 0 if it is not one.
int open_packet(uint8_t *esp, int length);

// From the device to the link (outbound.c). What was read is cut into a slab, where ESP packets of
// one size that lie behind one another make a batch.
struct outgoing {
    uint8_t *slab;
    int used, packet_count, batch_count;
    // What a design with frames of its own keeps before each packet, and from packet to packet; both
    // are 0 where packets make batches.
    int headroom, stride;
    struct {
        int offset, body;
    } packets[PACKETS];
    struct {
        int offset, octets, each, count, is_open;
    } batches[PACKETS];
};

struct message {
    struct msghdr header;
    struct iovec part;
    union {
        char room[CMSG_SPACE(sizeof(uint16_t))];
        struct cmsghdr aligned;
    } control;
};

struct outgoing *new_outgoing(void);
// Cuts one read of so many octets, offload header included.
void take_read(struct outgoing *out, uint8_t *buffer, int octets);
int has_room(const struct outgoing *out);
// Reads until the slab is full, the device has no more or `reads` is 0; whether to go on.
int read_device(struct outgoing *out, int *reads);
void seal(struct outgoing *out);
void describe(const struct outgoing *out, int batch, struct message *message);
void send_batches(struct outgoing *out);
void empty(struct outgoing *out);
// All of it, to the socket.
void outbound(void);

// From the link to the device (inbound.c).
// Takes a superpacket, or a packet for which there is nothing to join.
extern void (*to_device)(uint8_t *from, int octets);
// Where the next superpacket grows; called when one was given away.
extern uint8_t *(*next_room)(void);
void prepare_inbound(void);
// ESP packets of `each` octets behind one another.
void take_datagrams(uint8_t *octets, int length, int each);
void flush_in(void);
// The size of each datagram in what was received.
int size_of_each(struct msghdr *message, int length);
// One call on the socket; returns what recvmmsg does.
int inbound(int flags);

// The designs: none of them returns.
void serve_polling(int timeout);          // serve.c
void serve_two_threads(void);             // threads.c
void serve_pipeline(void);                // threads.c
void serve_ring(void);                    // uring.c
void serve_frames(const char *remote);    // frames.c
void serve_express(const char *remote, int is_native);  // express.c

#endif
