#include "evp_cipher.h"
#include <openssl/crypto.h>

// A context a message, not one an SA: it costs half a microsecond where a gateway with very many
// IKE SAs would otherwise hold two contexts for each.

/// Some of the library's functions leave the key where their frames were: ChaCha20 without AVX-512 does.
/// This one's frame lies over those, which together are far smaller.
__attribute__((noinline)) static void wipe_stack(void) {
    uint8_t area[4096];
    OPENSSL_cleanse(area, sizeof area);
}

typedef uint32_t operation(struct cygnet_evp_cipher *cipher, const struct cygnet_evp_job *job);

static uint32_t run(
    operation *operation, const struct cygnet_cipher_parameters *parameters,
    const uint8_t *associated_data, size_t associated_length, uint8_t *content,
    size_t body_length) {
    struct cygnet_evp_cipher cipher;
    if (body_length % parameters->block_length != 0) {
        return CYGNET_PACKET_BAD_LENGTH;
    }
    if (!cygnet_evp_cipher_init(&cipher, parameters)) {
        return CYGNET_PACKET_LIBRARY_FAILURE;
    }
    struct cygnet_evp_job job = {
        .before = associated_data,
        .before_length = associated_length,
        .iv = content,
        .sent_iv_length = parameters->iv_length,
        .body = content + parameters->iv_length,
        .body_length = body_length,
    };
    uint32_t status = operation(&cipher, &job);
    cygnet_evp_cipher_clear(&cipher);
    wipe_stack();
    return status;
}

uint32_t cygnet_message_seal(
    const struct cygnet_cipher_parameters *parameters, const uint8_t *associated_data,
    size_t associated_length, uint8_t *content, size_t body_length) {
    return run(
        cygnet_evp_cipher_seal, parameters, associated_data, associated_length, content,
        body_length);
}

uint32_t cygnet_message_open(
    const struct cygnet_cipher_parameters *parameters, const uint8_t *associated_data,
    size_t associated_length, uint8_t *content, size_t body_length) {
    return run(
        cygnet_evp_cipher_open, parameters, associated_data, associated_length, content,
        body_length);
}
