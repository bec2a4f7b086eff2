#ifndef ALLOCATION_COUNTING_H
#define ALLOCATION_COUNTING_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Allocations of this thread so far, by whatever language or library; -1 under a sanitizer, which
/// has an allocator of its own.
int64_t allocation_count(void);
/// And how many octets they asked for.
int64_t allocation_octets(void);

/// How often this thread has called Swift's runtime so far to retain, release or access an object:
/// whoever looks at many of them one by one does so for each, at least without optimisation.
int64_t runtime_calls(void);

/// Watches for this thread to give back the block that holds these octets; one at a time.
void watch_release(const void *start, size_t length);
/// How many of the octets that are watched were not zero when their block was given back; -1 while
/// it has not been.
int64_t octets_left_at_release(void);
/// False under a sanitizer.
bool can_watch_release(void);

#endif
