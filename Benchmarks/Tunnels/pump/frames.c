// ESP without UDP by AF_PACKET: sendmmsg past the queues of the device, and a ring of frames for what
// arrives. The ring is of version 2, which gives each frame away at once; version 3 keeps a block of
// them until it is full or some milliseconds are over.
#define _GNU_SOURCE
#include "frame.h"
#include "octets.h"
#include "pump.h"
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>

enum { RING_FRAMES = 8192, AT_ONCE = 256 };

static int packets;
static uint8_t *ring;

static void open_frames(int index) {
    struct sock_filter esp_only[] = {
        {BPF_LD | BPF_B | BPF_ABS, 0, 0, ETHERNET + 9},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, IPPROTO_ESP},
        {BPF_RET | BPF_K, 0, 0, 0xffff},
        {BPF_RET | BPF_K, 0, 0, 0},
    };
    struct sock_fprog filter = {4, esp_only};
    struct sockaddr_ll here = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP),
                               .sll_ifindex = index};
    struct tpacket_req shape = {.tp_block_size = 1 << 16, .tp_block_nr = RING_FRAMES / 32,
                                .tp_frame_size = FRAME, .tp_frame_nr = RING_FRAMES};
    int on = 1, version = TPACKET_V2, octets = 16 << 20;
    packets = socket(AF_PACKET, SOCK_RAW, 0);
    if (packets < 0 || setsockopt(packets, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter)
        || setsockopt(packets, SOL_SOCKET, SO_SNDBUFFORCE, &octets, sizeof octets)
        || setsockopt(packets, SOL_PACKET, PACKET_VERSION, &version, sizeof version)
        || setsockopt(packets, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on)
        || setsockopt(packets, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on)
        || setsockopt(packets, SOL_PACKET, PACKET_RX_RING, &shape, sizeof shape)
        || bind(packets, (struct sockaddr *)&here, sizeof here))
        fail("AF_PACKET");
    ring = mmap(NULL, (size_t)RING_FRAMES * FRAME, PROT_READ | PROT_WRITE, MAP_SHARED, packets, 0);
    if (ring == MAP_FAILED) fail("ring");
}

static void send_frames(struct outgoing *out) {
    static struct mmsghdr messages[PACKETS];
    static struct iovec parts[PACKETS];
    for (int index = 0; index < out->packet_count; index++) {
        uint8_t *frame = out->slab + out->packets[index].offset - OUTER;
        int esp = HEADER + out->packets[index].body + ICV;
        complete_frame(frame, esp);
        parts[index] = (struct iovec){frame, (size_t)(OUTER + esp)};
        messages[index].msg_hdr = (struct msghdr){.msg_iov = &parts[index], .msg_iovlen = 1};
    }
    for (int sent = 0; sent < out->packet_count;) {
        int count = sendmmsg(packets, messages + sent, (unsigned)(out->packet_count - sent), 0);
        // A packet that the link would not take is lost, as on any link.
        sent += count > 0 ? count : 1;
    }
}

static void receive_frames(void) {
    static unsigned next;
    for (int count = 0; count < AT_ONCE; count++, next = (next + 1) % RING_FRAMES) {
        struct tpacket2_hdr *told = (struct tpacket2_hdr *)(ring + (size_t)next * FRAME);
        if (!(__atomic_load_n(&told->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) break;
        uint8_t *frame = (uint8_t *)told + told->tp_mac;
        int esp = esp_in(frame, (int)told->tp_snaplen);
        if (esp) take_datagrams(frame + OUTER, esp, esp);
        __atomic_store_n(&told->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    }
    flush_in();
}

void serve_frames(const char *remote) {
    open_frames(prepare_frames(remote));
    struct outgoing *out = new_outgoing();
    out->headroom = OUTER;
    out->stride = FRAME;
    prepare_inbound();
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct pollfd ends[] = {{device, POLLIN, 0}, {packets, POLLIN, 0}};
        if (poll(ends, 2, -1) < 0 && errno != EINTR) fail("poll");
        if (ends[1].revents) receive_frames();
        int reads = READS, is_more = ends[0].revents != 0;
        while (is_more) {
            is_more = read_device(out, &reads);
            seal(out);
            send_frames(out);
            empty(out);
        }
    }
}
