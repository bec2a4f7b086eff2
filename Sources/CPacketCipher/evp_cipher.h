#ifndef CYGNET_EVP_CIPHER_H
#define CYGNET_EVP_CIPHER_H
#include "CPacketCipher.h"
#include <openssl/evp.h>

/// One suite with its keys in one direction, done by OpenSSL.
struct cygnet_evp_cipher {
    EVP_CIPHER_CTX *context;
    struct cygnet_hmac_key mac;
    uint32_t kind;
    uint32_t hash;
    uint32_t icv_length;
    uint8_t salt[4];
};

/// What the ICV covers besides IV and ciphertext: octets before them, and with an HMAC octets
/// behind them (the high half of an extended sequence number).
struct cygnet_evp_associated {
    const uint8_t *before;
    size_t before_length;
    const uint8_t *after;
    size_t after_length;
};

/// False if OpenSSL has no such suite or no memory; `cipher` is then clear.
int cygnet_evp_cipher_init(
    struct cygnet_evp_cipher *cipher, const struct cygnet_cipher_parameters *parameters);
/// Wipes and releases. Harmless on one that is clear.
void cygnet_evp_cipher_clear(struct cygnet_evp_cipher *cipher);

/// `iv`, `body` and ICV lie behind one another. Returns a packet status.
uint32_t cygnet_evp_cipher_seal(
    struct cygnet_evp_cipher *cipher, const struct cygnet_evp_associated *associated, uint8_t *iv,
    size_t body_length);
uint32_t cygnet_evp_cipher_open(
    struct cygnet_evp_cipher *cipher, const struct cygnet_evp_associated *associated, uint8_t *iv,
    size_t body_length);

#endif
