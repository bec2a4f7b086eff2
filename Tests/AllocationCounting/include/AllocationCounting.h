#ifndef ALLOCATION_COUNTING_H
#define ALLOCATION_COUNTING_H
#include <stdint.h>

/// Allocations of this thread so far, by whatever language or library; -1 under a sanitizer, which
/// has an allocator of its own.
int64_t allocation_count(void);
/// And how many octets they asked for.
int64_t allocation_octets(void);

/// How often this thread has called Swift's runtime so far to retain, release or access an object:
/// whoever looks at many of them one by one does so for each, at least without optimisation.
int64_t runtime_calls(void);

#endif
