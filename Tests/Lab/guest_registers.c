// User-mode Linux 6.1 keeps a guest process's extended registers in an area of fixed size. A host
// whose processor has more of them (AMX) refuses to set less than all (EFAULT), and the guest dies
// with its first process. This stands before the C library's ptrace: what the guest does not know of
// stays as it is.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

static long (*next)(int request, pid_t process, void *address, void *data);

// The guest has one processor, and its kernel's stacks are too small for this.
static unsigned char whole[65536];

__attribute__((constructor)) static void find_next(void) {
    *(void **)&next = dlsym(RTLD_NEXT, "ptrace");
}

static long set_registers(pid_t process, struct iovec *given) {
    struct iovec all = {whole, sizeof whole};
    if (next(PTRACE_GETREGSET, process, (void *)NT_X86_XSTATE, &all) != 0) {
        return -1;
    }
    if (given->iov_len < all.iov_len) {
        memcpy(whole, given->iov_base, given->iov_len);
        return next(PTRACE_SETREGSET, process, (void *)NT_X86_XSTATE, &all);
    }
    return next(PTRACE_SETREGSET, process, (void *)NT_X86_XSTATE, given);
}

long ptrace(enum __ptrace_request request, ...) {
    va_list rest;
    va_start(rest, request);
    pid_t process = va_arg(rest, pid_t);
    void *address = va_arg(rest, void *);
    void *data = va_arg(rest, void *);
    va_end(rest);
    if (request == PTRACE_SETREGSET && address == (void *)NT_X86_XSTATE) {
        return set_registers(process, data);
    }
    return next((int)request, process, address, data);
}
