#ifndef CYGNET_CSECUREMEMORY_H
#define CYGNET_CSECUREMEMORY_H
#include <stddef.h>

/// Overwrites `length` bytes with zero in a way that no optimiser may remove.
void cygnet_wipe(void *memory, size_t length);

/// Whether two areas of equal length hold the same bytes; takes the same time wherever they differ.
int cygnet_equal_constant_time(const void *left, const void *right, size_t length);

/// Fills `length` bytes from the kernel's generator; waits until it is seeded, and ends the process
/// if there is none, since nothing safe can go on without.
void cygnet_fill_random(void *memory, size_t length);

#endif
