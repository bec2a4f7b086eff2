#include "evp_cipher.h"

// A context a message, not one an SA: it costs half a microsecond where a gateway with very many
// IKE SAs would otherwise hold two contexts for each.

static int fits(const struct cygnet_cipher_parameters *parameters, size_t body_length) {
    return parameters->kind != CYGNET_AES_CBC || body_length % 16 == 0;
}

uint32_t cygnet_message_seal(
    const struct cygnet_cipher_parameters *parameters, const uint8_t *associated_data,
    size_t associated_length, uint8_t *content, size_t body_length) {
    struct cygnet_evp_cipher cipher;
    if (!fits(parameters, body_length)) {
        return CYGNET_PACKET_BAD_LENGTH;
    }
    if (!cygnet_evp_cipher_init(&cipher, parameters)) {
        return CYGNET_PACKET_LIBRARY_FAILURE;
    }
    struct cygnet_evp_associated associated = {associated_data, associated_length, NULL, 0};
    uint32_t status = cygnet_evp_cipher_seal(&cipher, &associated, content, body_length);
    cygnet_evp_cipher_clear(&cipher);
    return status;
}

uint32_t cygnet_message_open(
    const struct cygnet_cipher_parameters *parameters, const uint8_t *associated_data,
    size_t associated_length, uint8_t *content, size_t body_length) {
    struct cygnet_evp_cipher cipher;
    if (!fits(parameters, body_length)) {
        return CYGNET_PACKET_BAD_LENGTH;
    }
    if (!cygnet_evp_cipher_init(&cipher, parameters)) {
        return CYGNET_PACKET_LIBRARY_FAILURE;
    }
    struct cygnet_evp_associated associated = {associated_data, associated_length, NULL, 0};
    uint32_t status = cygnet_evp_cipher_open(&cipher, &associated, content, body_length);
    cygnet_evp_cipher_clear(&cipher);
    return status;
}
