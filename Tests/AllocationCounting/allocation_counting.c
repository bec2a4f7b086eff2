// Stands before the C library's allocator, for every library of the process: the dynamic linker
// looks into the executable first.
#include "AllocationCounting.h"

#include <errno.h>
#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif

#ifdef HAS_SANITIZER

int64_t allocation_count(void) { return -1; }
int64_t allocation_octets(void) { return -1; }

#else

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

// In the static block of the thread: the usual model could itself allocate on first use.
static __thread int64_t count __attribute__((tls_model("initial-exec")));

static __thread int64_t octets __attribute__((tls_model("initial-exec")));

int64_t allocation_count(void) { return count; }
int64_t allocation_octets(void) { return octets; }

void *malloc(size_t size) {
    count++;
    octets += (int64_t)size;
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count++;
    octets += (int64_t)(number * size);
    return __libc_calloc(number, size);
}

void *realloc(void *block, size_t size) {
    count++;
    octets += (int64_t)size;
    return __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size) {
    count++;
    octets += (int64_t)size;
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    count++;
    octets += (int64_t)size;
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    count++;
    octets += (int64_t)size;
    *block = __libc_memalign(alignment, size);
    return *block ? 0 : ENOMEM;
}

#endif
