#ifndef CYGNET_PACKET_CIPHER_H
#define CYGNET_PACKET_CIPHER_H
#include "evp_cipher.h"

#include <string.h>

struct cygnet_multi_buffer;

struct cygnet_packet_cipher {
    uint32_t kind;
    uint32_t hash;
    uint32_t iv_length;
    uint32_t block_length;
    uint32_t icv_length;
    uint32_t extended_sequence;
    /// Null with OpenSSL as back end.
    struct cygnet_multi_buffer *multi_buffer;
    /// Null where the multi-buffer library does everything.
    struct cygnet_evp_cipher *evp;
    /// AES-128 in ECB mode under a key of its own: makes the IVs of CBC modes. Null for the others,
    /// and where nothing is sealed.
    EVP_CIPHER_CTX *iv_maker;
};

enum { ESP_HEADER_LENGTH = 8, IV_KEY_LENGTH = 16 };

/// Whether the cipher can work on a body of this length. ESP's shortest has two octets.
static inline int cygnet_body_fits(const struct cygnet_packet_cipher *cipher, uint32_t length) {
    return length > 0 && length % cipher->block_length == 0;
}

/// Whether the IV must be one that nobody can foresee, where for others it must be new only.
static inline int cygnet_needs_unpredictable_iv(uint32_t kind) {
    return kind == CYGNET_AES_CBC || kind == CYGNET_TRIPLE_DES_CBC;
}

static inline void cygnet_write_big_endian(uint8_t *bytes, uint32_t value) {
    value = __builtin_bswap32(value);
    memcpy(bytes, &value, 4);
}

/// The 64-bit sequence number, which never comes twice under one key: the IV of the counter modes
/// (RFC 4106 §3.1, RFC 7634 §2.1, RFC 3686 §3.1).
static inline void cygnet_write_sequence_iv(const struct cygnet_packet_job *job, uint8_t *iv) {
    cygnet_write_big_endian(iv, job->sequence_high);
    memcpy(iv + 4, job->esp + 4, 4);
}

/// What the ICV covers of an extended sequence number: RFC 4106 §5, RFC 7634 §2.1.
static inline void cygnet_write_extended_aad(const struct cygnet_packet_job *job, uint8_t *aad) {
    memcpy(aad, job->esp, 4);
    cygnet_write_big_endian(aad + 4, job->sequence_high);
    memcpy(aad + 8, job->esp + 4, 4);
}

/// The key under which CBC's IVs are made. Each IV is a block cipher's output for an input that
/// comes once, hence unpredictable to all who lack the key (RFC 3602 §3, SP 800-38A appendix C);
/// the key follows from the SA's own, so that no randomness is asked for a packet.
void cygnet_derive_iv_key(
    const struct cygnet_cipher_parameters *parameters, uint8_t key[IV_KEY_LENGTH]);

/// Whether the multi-buffer library does the suite.
int cygnet_multi_buffer_has_suite(const struct cygnet_cipher_parameters *parameters);
/// Null if the parameters make no suite of the library's or memory ran out.
struct cygnet_multi_buffer *cygnet_multi_buffer_create(
    const struct cygnet_cipher_parameters *parameters);
void cygnet_multi_buffer_free(struct cygnet_multi_buffer *keys);
/// Octets of what `cygnet_multi_buffer_create` returns.
size_t cygnet_multi_buffer_octets(void);
void cygnet_multi_buffer_seal(
    const struct cygnet_packet_cipher *cipher, struct cygnet_packet_job *jobs, size_t count,
    int keeps_iv);
void cygnet_multi_buffer_open(
    const struct cygnet_packet_cipher *cipher, struct cygnet_packet_job *jobs, size_t count);

void cygnet_openssl_seal(
    struct cygnet_packet_cipher *cipher, struct cygnet_packet_job *jobs, size_t count,
    int keeps_iv);
void cygnet_openssl_open(
    struct cygnet_packet_cipher *cipher, struct cygnet_packet_job *jobs, size_t count);

#endif
