// The program is written as instructions, so that no compiler for them is needed.
#define _GNU_SOURCE
#include "redirect.h"
#include "pump.h"
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(int command, union bpf_attr *what) {
    return (int)syscall(SYS_bpf, command, what, sizeof *what);
}

static int load(int map) {
    struct bpf_insn program[] = {
        {BPF_LDX | BPF_MEM | BPF_W, 2, 1, offsetof(struct xdp_md, data), 0},
        {BPF_LDX | BPF_MEM | BPF_W, 3, 1, offsetof(struct xdp_md, data_end), 0},
        {BPF_ALU64 | BPF_MOV | BPF_X, 4, 2, 0, 0},
        {BPF_ALU64 | BPF_ADD | BPF_K, 4, 0, 0, 34},
        {BPF_JMP | BPF_JGT | BPF_X, 4, 3, 10, 0},
        {BPF_LDX | BPF_MEM | BPF_H, 5, 2, 12, 0},
        {BPF_JMP | BPF_JNE | BPF_K, 5, 0, 8, htons(0x0800)},
        {BPF_LDX | BPF_MEM | BPF_B, 5, 2, 23, 0},
        {BPF_JMP | BPF_JNE | BPF_K, 5, 0, 6, IPPROTO_ESP},
        {BPF_LDX | BPF_MEM | BPF_W, 2, 1, offsetof(struct xdp_md, rx_queue_index), 0},
        {BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, map},
        {0, 0, 0, 0, 0},
        {BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, XDP_PASS},
        {BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect_map},
        {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
        {BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS},
        {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
    };
    static char log[65536];
    union bpf_attr wanted = {.prog_type = BPF_PROG_TYPE_XDP};
    wanted.insns = (uintptr_t)program;
    wanted.insn_cnt = sizeof program / sizeof *program;
    wanted.license = (uintptr_t)"";
    wanted.log_buf = (uintptr_t)log;
    wanted.log_size = sizeof log;
    wanted.log_level = 1;
    int loaded = bpf(BPF_PROG_LOAD, &wanted);
    if (loaded < 0) {
        fputs(log, stderr);
        fail("BPF_PROG_LOAD");
    }
    return loaded;
}

void redirect_esp(int device_index, int express_socket, int is_native) {
    union bpf_attr table = {.map_type = BPF_MAP_TYPE_XSKMAP, .key_size = 4, .value_size = 4,
                            .max_entries = 1};
    int map = bpf(BPF_MAP_CREATE, &table), first = 0;
    if (map < 0) fail("XSKMAP");
    union bpf_attr entry = {.map_fd = (uint32_t)map};
    entry.key = (uintptr_t)&first;
    entry.value = (uintptr_t)&express_socket;
    if (bpf(BPF_MAP_UPDATE_ELEM, &entry)) fail("XSKMAP entry");
    union bpf_attr link;
    memset(&link, 0, sizeof link);
    link.link_create.prog_fd = (uint32_t)load(map);
    link.link_create.target_ifindex = (uint32_t)device_index;
    link.link_create.attach_type = BPF_XDP;
    link.link_create.flags = is_native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
    if (bpf(BPF_LINK_CREATE, &link) < 0) fail("XDP");
}
