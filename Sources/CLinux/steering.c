#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef TUNSETSTEERINGEBPF
#define TUNSETSTEERINGEBPF _IOR('T', 224, int)
#endif

/// What the program and this process share: the program reads it for each packet, and to write to it
/// takes no system call.
struct table {
    uint32_t unmarked_queues;
    uint32_t queues_per_mark;
    /// The mask above the value; 0 behind the last.
    uint64_t marks[CYGNET_MARKS_MAXIMUM];
};

enum { program_capacity = 320, jumps_capacity = 32, log_size = 4096 };

struct program {
    struct bpf_insn code[program_capacity];
    unsigned count;
};

/// Jumps to a place that is not known yet.
struct jumps {
    unsigned places[jumps_capacity];
    unsigned count;
};

static unsigned emit(
    struct program *program, int code, int target, int source, int offset, int immediate) {
    struct bpf_insn instruction = {
        .code = (uint8_t)code,
        .dst_reg = (uint8_t)(target & 15),
        .src_reg = (uint8_t)(source & 15),
        .off = (int16_t)offset,
        .imm = immediate,
    };
    program->code[program->count] = instruction;
    return program->count++;
}

static void emit_jump(
    struct program *program, struct jumps *jumps, int code, int target, int source, int immediate) {
    jumps->places[jumps->count++] =
        emit(program, BPF_JMP | code, target, source, 0, immediate);
}

/// The jumps lead to what is emitted next.
static void land(struct program *program, struct jumps *jumps) {
    for (unsigned index = 0; index < jumps->count; index++) {
        unsigned place = jumps->places[index];
        program->code[place].off = (int16_t)(program->count - place - 1);
    }
    jumps->count = 0;
}

/// r0 = so much of the packet; one that is too short goes to the first queue.
static void emit_load(struct program *program, int size, int offset) {
    emit(program, BPF_LD | size | BPF_ABS, 0, 0, 0, offset);
}

/// The two ports, of TCP or UDP alone, where r9 is the protocol: r8 ^= what `load` reads.
static void emit_ports_guard(struct program *program, struct jumps *away) {
    struct jumps has_ports = {.count = 0};
    emit_jump(program, &has_ports, BPF_JEQ | BPF_K, BPF_REG_9, 0, 6);
    emit_jump(program, away, BPF_JNE | BPF_K, BPF_REG_9, 0, 17);
    land(program, &has_ports);
}

static void emit_mix_in(struct program *program) {
    emit(program, BPF_ALU | BPF_XOR | BPF_X, BPF_REG_8, BPF_REG_0, 0, 0);
}

/// r8 = a number that is the same for all packets of a flow, for those that the kernel has none for.
/// Fragments count by their addresses alone, so that those of one packet stay together.
static void emit_flow_number(struct program *program) {
    struct jumps is_v6 = {.count = 0}, done = {.count = 0};
    emit(program, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_8, 0, 0, 0);
    emit_load(program, BPF_B, 0);
    emit(program, BPF_ALU | BPF_RSH | BPF_K, BPF_REG_0, 0, 0, 4);
    emit_jump(program, &is_v6, BPF_JEQ | BPF_K, BPF_REG_0, 0, 6);
    for (int offset = 12; offset < 20; offset += 4) {
        emit_load(program, BPF_W, offset);
        emit_mix_in(program);
    }
    emit_load(program, BPF_H, 6);
    emit(program, BPF_ALU | BPF_AND | BPF_K, BPF_REG_0, 0, 0, 0x3fff);
    emit_jump(program, &done, BPF_JNE | BPF_K, BPF_REG_0, 0, 0);
    emit_load(program, BPF_B, 9);
    emit(program, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_9, BPF_REG_0, 0, 0);
    emit_ports_guard(program, &done);
    emit_load(program, BPF_B, 0);
    emit(program, BPF_ALU | BPF_AND | BPF_K, BPF_REG_0, 0, 0, 15);
    emit(program, BPF_ALU | BPF_LSH | BPF_K, BPF_REG_0, 0, 0, 2);
    emit(program, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_0, 0, 0);
    emit(program, BPF_LD | BPF_W | BPF_IND, 0, BPF_REG_2, 0, 0);
    emit_mix_in(program);
    emit_jump(program, &done, BPF_JA, 0, 0, 0);
    land(program, &is_v6);
    for (int offset = 8; offset < 40; offset += 4) {
        emit_load(program, BPF_W, offset);
        emit_mix_in(program);
    }
    emit_load(program, BPF_B, 6);
    emit(program, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_9, BPF_REG_0, 0, 0);
    emit_ports_guard(program, &done);
    emit_load(program, BPF_W, 40);
    emit_mix_in(program);
    land(program, &done);
    // The highest bits depend on all.
    emit(program, BPF_ALU | BPF_MUL | BPF_K, BPF_REG_8, 0, 0, (int)0x9e3779b1);
    emit(program, BPF_ALU | BPF_RSH | BPF_K, BPF_REG_8, 0, 0, 16);
}

/// r0 = the index of the first mark of the table that the packet has, or away.
static void emit_mark_search(struct program *program, struct jumps *unmarked) {
    struct jumps found = {.count = 0};
    emit(program, BPF_LDX | BPF_W | BPF_MEM, BPF_REG_3, BPF_REG_6,
         offsetof(struct __sk_buff, mark), 0);
    emit_jump(program, unmarked, BPF_JEQ | BPF_K, BPF_REG_3, 0, 0);
    for (int index = 0; index < CYGNET_MARKS_MAXIMUM; index++) {
        int offset = (int)offsetof(struct table, marks) + 8 * index;
        emit(program, BPF_LDX | BPF_DW | BPF_MEM, BPF_REG_4, BPF_REG_7, offset, 0);
        emit_jump(program, unmarked, BPF_JEQ | BPF_K, BPF_REG_4, 0, 0);
        emit(program, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_5, BPF_REG_4, 0, 0);
        emit(program, BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_5, 0, 0, 32);
        emit(program, BPF_ALU64 | BPF_AND | BPF_X, BPF_REG_5, BPF_REG_3, 0, 0);
        emit(program, BPF_ALU | BPF_MOV | BPF_X, BPF_REG_4, BPF_REG_4, 0, 0);
        emit(program, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, index);
        emit_jump(program, &found, BPF_JEQ | BPF_X, BPF_REG_5, BPF_REG_4, 0);
    }
    emit_jump(program, unmarked, BPF_JA, 0, 0, 0);
    land(program, &found);
}

static void build(struct program *program, int map) {
    struct jumps has_number = {.count = 0}, unmarked = {.count = 0};
    program->count = 0;
    emit(program, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0);
    emit(program, BPF_LD | BPF_DW | BPF_IMM, BPF_REG_7, BPF_PSEUDO_MAP_VALUE, 0, map);
    emit(program, 0, 0, 0, 0, 0);
    emit(program, BPF_LDX | BPF_W | BPF_MEM, BPF_REG_8, BPF_REG_6,
         offsetof(struct __sk_buff, hash), 0);
    emit_jump(program, &has_number, BPF_JNE | BPF_K, BPF_REG_8, 0, 0);
    emit_flow_number(program);
    land(program, &has_number);
    emit_mark_search(program, &unmarked);
    int unmarked_queues = offsetof(struct table, unmarked_queues);
    emit(program, BPF_LDX | BPF_W | BPF_MEM, BPF_REG_1, BPF_REG_7,
         offsetof(struct table, queues_per_mark), 0);
    emit(program, BPF_ALU | BPF_MUL | BPF_X, BPF_REG_0, BPF_REG_1, 0, 0);
    emit(program, BPF_ALU | BPF_MOD | BPF_X, BPF_REG_8, BPF_REG_1, 0, 0);
    emit(program, BPF_ALU | BPF_ADD | BPF_X, BPF_REG_0, BPF_REG_8, 0, 0);
    emit(program, BPF_LDX | BPF_W | BPF_MEM, BPF_REG_1, BPF_REG_7, unmarked_queues, 0);
    emit(program, BPF_ALU | BPF_ADD | BPF_X, BPF_REG_0, BPF_REG_1, 0, 0);
    emit(program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    land(program, &unmarked);
    emit(program, BPF_LDX | BPF_W | BPF_MEM, BPF_REG_1, BPF_REG_7, unmarked_queues, 0);
    emit(program, BPF_ALU | BPF_MOD | BPF_X, BPF_REG_8, BPF_REG_1, 0, 0);
    emit(program, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_0, BPF_REG_8, 0, 0);
    emit(program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static int call_bpf(int command, union bpf_attr *attributes) {
    return (int)syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

static int make_map(void) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.map_type = BPF_MAP_TYPE_ARRAY;
    attributes.key_size = 4;
    attributes.value_size = sizeof(struct table);
    attributes.max_entries = 1;
    attributes.map_flags = BPF_F_MMAPABLE;
    return call_bpf(BPF_MAP_CREATE, &attributes);
}

static int load(int map) {
    struct program program;
    build(&program, map);
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
    attributes.insns = (uint64_t)(uintptr_t)program.code;
    attributes.insn_cnt = program.count;
    // No function of the kernel is called that asks for another.
    attributes.license = (uint64_t)(uintptr_t)"Apache-2.0";
    return call_bpf(BPF_PROG_LOAD, &attributes);
}

int cygnet_steering_load(
    unsigned unmarked_queues, unsigned queues_per_mark, uint64_t **marks, const char **call) {
    *call = "bpf(BPF_MAP_CREATE)";
    int map = make_map();
    if (map < 0) return -1;
    *call = "mmap(bpf map)";
    struct table *table = mmap(
        NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
    int program = -1;
    if (table != MAP_FAILED) {
        table->unmarked_queues = unmarked_queues;
        table->queues_per_mark = queues_per_mark;
        *marks = table->marks;
        *call = "bpf(BPF_PROG_LOAD)";
        program = load(map);
    }
    int saved = errno;
    if (table != MAP_FAILED && program < 0) cygnet_steering_unload(table->marks);
    close(map);
    errno = saved;
    return program;
}

void cygnet_steering_set(uint64_t *marks, unsigned index, uint32_t value, uint32_t mask) {
    if (index >= CYGNET_MARKS_MAXIMUM) return;
    // In one piece: packets pass meanwhile.
    __atomic_store_n(marks + index, (uint64_t)mask << 32 | value, __ATOMIC_RELAXED);
}

void cygnet_steering_unload(uint64_t *marks) {
    munmap((char *)marks - offsetof(struct table, marks), (size_t)sysconf(_SC_PAGESIZE));
}

int cygnet_steering_attach(int tun, int program) {
    return ioctl(tun, TUNSETSTEERINGEBPF, &program);
}
