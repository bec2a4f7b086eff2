#ifndef CYGNET_HMAC_H
#define CYGNET_HMAC_H
#include <stddef.h>
#include <stdint.h>

enum cygnet_hash {
    CYGNET_HASH_NONE = 0,
    CYGNET_SHA1 = 1,
    CYGNET_SHA256 = 2,
    CYGNET_SHA384 = 3,
    CYGNET_SHA512 = 4,
};

/// Room for the running state of any of the hash functions.
struct cygnet_hash_state {
    uint64_t words[27];
};

/// An HMAC key (RFC 2104) after its two blocks went through the hash function.
struct cygnet_hmac_key {
    struct cygnet_hash_state inner;
    struct cygnet_hash_state outer;
    uint32_t hash;
    uint32_t output_length;
};

/// Prepares a key of any length. `hash` must be one of the functions.
void cygnet_hmac_prepare(
    struct cygnet_hmac_key *key, uint32_t hash, const void *bytes, size_t length);

/// Starts a message; `state` then takes its parts and gives the result once.
void cygnet_hmac_begin(const struct cygnet_hmac_key *key, struct cygnet_hash_state *state);
void cygnet_hmac_update(
    const struct cygnet_hmac_key *key, struct cygnet_hash_state *state, const void *bytes,
    size_t length);
/// Writes `output_length` octets.
void cygnet_hmac_finish(
    const struct cygnet_hmac_key *key, struct cygnet_hash_state *state, uint8_t *output);

/// One message under one key, in one call.
void cygnet_hmac_compute(
    uint32_t hash, const void *key, size_t key_length, const void *message, size_t length,
    uint8_t *output);

/// `length` octets of prf+ (RFC 7296 §2.13), at most 255 times the hash's output.
void cygnet_prf_plus(
    uint32_t hash, const void *key, size_t key_length, const void *seed, size_t seed_length,
    uint8_t *output, size_t length);

#endif
