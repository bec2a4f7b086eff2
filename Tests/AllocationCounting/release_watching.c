// What a block of memory holds at the moment at which it is given back: afterwards nobody may look.
#include "AllocationCounting.h"

#include <malloc.h>
#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif

// Of the thread, as the counts are.
static __thread uintptr_t watched __attribute__((tls_model("initial-exec")));
static __thread size_t extent __attribute__((tls_model("initial-exec")));
static __thread int64_t left __attribute__((tls_model("initial-exec")));

void watch_release(const void *start, size_t length) {
    watched = (uintptr_t)start;
    extent = length;
    left = -1;
}

int64_t octets_left_at_release(void) { return left; }

#ifdef HAS_SANITIZER

bool can_watch_release(void) { return false; }

#else

extern void __libc_free(void *block);

bool can_watch_release(void) { return true; }

void free(void *block) {
    uintptr_t start = (uintptr_t)block;
    if (watched && start <= watched && block
        && watched + extent <= start + malloc_usable_size(block)) {
        const volatile unsigned char *octets = (const volatile unsigned char *)watched;
        left = 0;
        for (size_t index = 0; index < extent; index++) left += octets[index] != 0;
        watched = 0;
    }
    __libc_free(block);
}

#endif
