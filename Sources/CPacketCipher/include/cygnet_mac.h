#ifndef CYGNET_MAC_H
#define CYGNET_MAC_H
#include "cygnet_hmac.h"

/// XCBC-MAC (RFC 3566) and CMAC (RFC 4493) over AES with a 128-bit key: one construction that
/// differs in how the three keys come about. Composed of the library's AES, a block at a time.
struct cygnet_aes_mac {
    /// An EVP_CIPHER_CTX for AES in ECB mode under the key of the chain.
    void *chain;
    /// What a last block that is whole, or one that had to be padded, is combined with.
    uint8_t whole[16];
    uint8_t padded[16];
};

/// A key of any of the functions of `enum cygnet_hash`, prepared for many messages.
struct cygnet_mac_key {
    uint32_t hash;
    uint32_t output_length;
    struct cygnet_hmac_key hmac;
    struct cygnet_aes_mac aes;
};

/// A message on its way through a MAC.
struct cygnet_mac_state {
    struct cygnet_hash_state hash;
    uint8_t chained[16];
    uint8_t pending[16];
    uint32_t pending_length;
    uint32_t failed;
};

/// Prepares a key; one for AES must have 16 octets. False if it has not, or memory ran out; `key`
/// is then clear.
int cygnet_mac_prepare(
    struct cygnet_mac_key *key, uint32_t hash, const void *bytes, size_t length);
/// Wipes and releases. Harmless on one that is clear.
void cygnet_mac_clear(struct cygnet_mac_key *key);

void cygnet_mac_begin(const struct cygnet_mac_key *key, struct cygnet_mac_state *state);
void cygnet_mac_update(
    const struct cygnet_mac_key *key, struct cygnet_mac_state *state, const void *bytes,
    size_t length);
/// Writes `output_length` octets and wipes the state. False if the library failed.
int cygnet_mac_finish(
    const struct cygnet_mac_key *key, struct cygnet_mac_state *state, uint8_t *output);

/// A part of a message.
struct cygnet_bytes {
    const void *bytes;
    size_t length;
};

/// One message, in parts, under one key of any length: HMAC, AES-XCBC-PRF-128 (RFC 4434 §2) or
/// AES-CMAC-PRF-128 (RFC 4615 §3). False if the library failed.
int cygnet_prf_compute(
    uint32_t hash, const void *key, size_t key_length, const struct cygnet_bytes *parts,
    size_t part_count, uint8_t *output);

/// `length` octets of prf+ (RFC 7296 §2.13) of a seed in parts, at most 255 times the function's
/// output. False if the library failed.
int cygnet_prf_plus(
    uint32_t hash, const void *key, size_t key_length, const struct cygnet_bytes *seed,
    size_t part_count, uint8_t *output, size_t length);

#endif
