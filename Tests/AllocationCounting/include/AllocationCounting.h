#ifndef ALLOCATION_COUNTING_H
#define ALLOCATION_COUNTING_H
#include <stdint.h>

/// Allocations of this thread so far, by whatever language or library; -1 under a sanitizer, which
/// has an allocator of its own.
int64_t allocation_count(void);
/// And how many octets they asked for.
int64_t allocation_octets(void);

#endif
