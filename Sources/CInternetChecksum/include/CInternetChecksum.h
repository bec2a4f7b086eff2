#ifndef CYGNET_CINTERNETCHECKSUM_H
#define CYGNET_CINTERNETCHECKSUM_H
#include <stddef.h>
#include <stdint.h>

// The sum of RFC 1071 over long runs of octets, as wide as the processor can. Sums are of words in
// the machine's own order, a last odd octet padded with zero, and not folded to 16 bits: they hold
// for at most 2^31 octets.

/// Octets are read from `bytes` to `bytes + count`, not beyond.
uint64_t cygnet_internet_sum(const void *bytes, size_t count);

/// Copies `count` octets, which must not overlap, and sums them on the way.
uint64_t cygnet_internet_copy_and_sum(void *target, const void *source, size_t count);

// Every way of doing it, so that tests can hold one against another.

/// How many this program has; those that the processor lacks are among them.
size_t cygnet_internet_variants(void);
/// Whether the processor can do it. Precondition, here and below: `variant` is less than their
/// number.
int cygnet_internet_variant_is_supported(size_t variant);
uint64_t cygnet_internet_variant_sum(size_t variant, const void *bytes, size_t count);
uint64_t cygnet_internet_variant_copy_and_sum(
    size_t variant, void *target, const void *source, size_t count);

#endif
