#ifndef CYGNET_EVP_CIPHER_H
#define CYGNET_EVP_CIPHER_H
#include "CPacketCipher.h"
#include "cygnet_mac.h"
#include <openssl/evp.h>

/// One suite with its keys in one direction, done by OpenSSL.
struct cygnet_evp_cipher {
    /// Null where nothing is encrypted.
    EVP_CIPHER_CTX *context;
    struct cygnet_mac_key mac;
    uint32_t kind;
    uint32_t hash;
    uint32_t icv_length;
    uint32_t salt_length;
    uint8_t salt[4];
};

/// What is worked on: one message, with its parts in place.
struct cygnet_evp_job {
    /// What the ICV covers before everything else.
    const uint8_t *before;
    size_t before_length;
    /// What a separate MAC covers behind everything else (the high half of a sequence number).
    const uint8_t *after;
    size_t after_length;
    /// On the wire or not; 16 octets for AES-CBC, none for NULL, otherwise 8.
    const uint8_t *iv;
    /// Octets of the IV that stand in front of the body, and are covered by a separate MAC.
    size_t sent_iv_length;
    /// Plaintext or ciphertext, and behind it the ICV.
    uint8_t *body;
    size_t body_length;
};

/// False if OpenSSL has no such suite or no memory; `cipher` is then clear.
int cygnet_evp_cipher_init(
    struct cygnet_evp_cipher *cipher, const struct cygnet_cipher_parameters *parameters);
/// Wipes and releases. Harmless on one that is clear.
void cygnet_evp_cipher_clear(struct cygnet_evp_cipher *cipher);

/// In place. Return a packet status.
uint32_t cygnet_evp_cipher_seal(
    struct cygnet_evp_cipher *cipher, const struct cygnet_evp_job *job);
uint32_t cygnet_evp_cipher_open(
    struct cygnet_evp_cipher *cipher, const struct cygnet_evp_job *job);

#endif
