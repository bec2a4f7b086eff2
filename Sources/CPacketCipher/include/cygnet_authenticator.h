#ifndef CYGNET_AUTHENTICATOR_H
#define CYGNET_AUTHENTICATOR_H
#include <stddef.h>
#include <stdint.h>

/// One AH packet (RFC 4302 §2) to be given its ICV, or to be verified.
struct cygnet_authenticator_job {
    /// The headers before AH, with everything that may change on the way as zero, or as the
    /// receiver will see it (RFC 4302 §3.3.3.1).
    const uint8_t *header;
    size_t header_length;
    /// AH: its fixed part of 12 octets, the ICV, padding; the payload lies behind it.
    uint8_t *ah;
    size_t ah_length;
    size_t payload_length;
    /// The high half of the sequence number; counts where the SA has 64-bit numbers.
    uint32_t sequence_high;
};

/// One direction of one AH SA. One thread at a time may use it.
struct cygnet_authenticator;

/// With a MAC: `hash` as in `enum cygnet_hash` and the key. With AES-GMAC (RFC 4543 §4): `hash` is
/// `CYGNET_HASH_NONE` and the key has four octets of salt behind it. Null if they make no
/// algorithm or memory ran out.
struct cygnet_authenticator *cygnet_authenticator_create(
    uint32_t hash, const uint8_t *key, size_t key_length, uint32_t icv_length, int seals,
    int extended_sequence);
/// Wipes the key.
void cygnet_authenticator_free(struct cygnet_authenticator *authenticator);

/// Fills in the ICV, which with GMAC begins with the IV; returns a packet status. The padding
/// behind the ICV must be in place.
uint32_t cygnet_authenticator_seal(
    struct cygnet_authenticator *authenticator, const struct cygnet_authenticator_job *job);
/// Verifies the ICV, and leaves zeros in its place; returns a packet status.
uint32_t cygnet_authenticator_open(
    struct cygnet_authenticator *authenticator, const struct cygnet_authenticator_job *job);

#endif
