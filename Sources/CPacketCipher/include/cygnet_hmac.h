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
    CYGNET_MD5 = 5,
    /// Not hash functions, but MACs made of a block cipher, which `cygnet_mac.h` takes as well.
    CYGNET_AES_XCBC = 6,
    CYGNET_AES_CMAC = 7,
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

/// SHA-1 of a message: 20 octets.
void cygnet_sha1(const void *bytes, size_t length, uint8_t output[20]);

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

#endif
