#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "seccomp: name this processor's audit architecture"
#endif

// MARK: Capabilities

static int highest_capability(void) {
    int last = 0;
    while (last < 63 && prctl(PR_CAPBSET_READ, last + 1, 0, 0, 0) >= 0) last++;
    return last;
}

int cygnet_capabilities_keep(const int *capabilities, int count) {
    uint64_t kept = 0;
    for (int i = 0; i < count; i++) kept |= 1ull << capabilities[i];
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL)
        return -1;
    int last = highest_capability();
    for (int capability = 0; capability <= last; capability++) {
        if (kept >> capability & 1) continue;
        // Without CAP_SETPCAP the bounding set stays; no_new_privs makes it moot.
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EPERM) return -1;
    }
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) != 0) return -1;
    for (int half = 0; half < 2; half++) {
        uint32_t mask = (uint32_t)(kept >> (32 * half));
        data[half].effective &= mask;
        data[half].permitted &= mask;
        data[half].inheritable = 0;
    }
    return (int)syscall(SYS_capset, &header, data);
}

int cygnet_capabilities_effective(uint64_t *mask) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) != 0) return -1;
    *mask = (uint64_t)data[1].effective << 32 | data[0].effective;
    return 0;
}

int cygnet_no_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

int cygnet_not_dumpable(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

// MARK: seccomp

enum { refused_maximum = 200 };

int cygnet_seccomp_refuse(const int *numbers, int count) {
    struct sock_filter filter[2 * refused_maximum + 8];
    unsigned short n = 0;
    if (count > refused_maximum) {
        errno = E2BIG;
        return -1;
    }
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                               offsetof(struct seccomp_data, arch));
    // A call by another architecture's table has other numbers: end the process.
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCHITECTURE, 1, 0);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                               offsetof(struct seccomp_data, nr));
#if defined(__x86_64__)
    // The x32 table reaches the same calls under numbers with bit 30 set.
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
#endif
    for (int i = 0; i < count; i++) {
        filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)numbers[i], 0, 1);
        filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    }
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = n, .filter = filter};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
}

// MARK: Landlock, by number so that older kernel headers do

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

enum { create_version = 1, rule_path_beneath = 1 };

// Version 1's rights; the bits are the kernel's ABI.
static const uint64_t access_read = 1ull << 2 | 1ull << 3;  // read file, read directory
static const uint64_t access_file_write = 1ull << 1;
static const uint64_t access_directory_write =
    1ull << 4 | 1ull << 5 | 1ull << 8 | 1ull << 9;  // remove directory/file, make regular, socket
static const uint64_t access_every_version_1 = (1ull << 13) - 1;

int cygnet_landlock_version(void) {
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, create_version);
}

int cygnet_landlock_restrict(const char *const *paths, const int *access, int count) {
    uint64_t handled = access_every_version_1;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
    if (ruleset < 0) return -1;
    int result = 0;
    for (int i = 0; i < count && result == 0; i++) {
        int parent = open(paths[i], O_PATH | O_CLOEXEC);
        // What is not there needs no permission.
        if (parent < 0) continue;
        struct stat status;
        struct {
            uint64_t allowed;
            int32_t parent;
        } __attribute__((packed)) rule = {.allowed = 1ull << 2, .parent = parent};
        int is_directory = fstat(parent, &status) == 0 && S_ISDIR(status.st_mode);
        if (is_directory) rule.allowed |= access_read;
        if (access[i]) rule.allowed |= access_file_write;
        if (access[i] && is_directory) rule.allowed |= access_directory_write;
        result = (int)syscall(SYS_landlock_add_rule, ruleset, rule_path_beneath, &rule, 0);
        int saved = errno;
        close(parent);
        errno = saved;
    }
    if (result == 0) result = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
    int saved = errno;
    close(ruleset);
    errno = saved;
    return result;
}
