#define _DEFAULT_SOURCE
#include "aes_mac.h"

#include <openssl/evp.h>
#include <string.h>

static EVP_CIPHER_CTX *block_cipher(const uint8_t key[16]) {
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (context == NULL) {
        return NULL;
    }
    if (EVP_EncryptInit_ex(context, EVP_aes_128_ecb(), NULL, key, NULL) != 1) {
        EVP_CIPHER_CTX_free(context);
        return NULL;
    }
    EVP_CIPHER_CTX_set_padding(context, 0);
    return context;
}

static int encrypt(EVP_CIPHER_CTX *context, const uint8_t input[16], uint8_t output[16]) {
    int written = 0;
    return EVP_EncryptUpdate(context, output, &written, input, 16) == 1;
}

/// RFC 3566 §4: the three keys are the encryptions of three constants.
static int prepare_xcbc(struct cygnet_aes_mac *mac, const uint8_t key[16]) {
    uint8_t constants[3][16];
    uint8_t chain[16];
    EVP_CIPHER_CTX *context = block_cipher(key);
    if (context == NULL) {
        return 0;
    }
    for (int index = 0; index < 3; index++) {
        memset(constants[index], index + 1, 16);
    }
    int done = encrypt(context, constants[0], chain) && encrypt(context, constants[1], mac->whole)
        && encrypt(context, constants[2], mac->padded);
    EVP_CIPHER_CTX_free(context);
    mac->chain = done ? block_cipher(chain) : NULL;
    explicit_bzero(chain, sizeof chain);
    return mac->chain != NULL;
}

/// Multiplication by x in the field of 2^128 elements, without a branch on what is secret.
static void double_block(const uint8_t input[16], uint8_t output[16]) {
    uint8_t carry = (uint8_t)(0 - (input[0] >> 7)) & 0x87;
    for (int index = 0; index < 15; index++) {
        output[index] = (uint8_t)(input[index] << 1 | input[index + 1] >> 7);
    }
    output[15] = (uint8_t)(input[15] << 1) ^ carry;
}

/// RFC 4493 §2.3: the key itself, and the encryption of zero doubled once and twice.
static int prepare_cmac(struct cygnet_aes_mac *mac, const uint8_t key[16]) {
    uint8_t zero[16] = {0};
    uint8_t seed[16];
    EVP_CIPHER_CTX *context = block_cipher(key);
    mac->chain = context;
    if (context == NULL || !encrypt(context, zero, seed)) {
        return 0;
    }
    double_block(seed, mac->whole);
    double_block(mac->whole, mac->padded);
    explicit_bzero(seed, sizeof seed);
    return 1;
}

int cygnet_aes_mac_prepare(struct cygnet_aes_mac *mac, uint32_t kind, const uint8_t key[16]) {
    memset(mac, 0, sizeof *mac);
    int done = kind == CYGNET_AES_XCBC ? prepare_xcbc(mac, key) : prepare_cmac(mac, key);
    if (!done) {
        cygnet_aes_mac_clear(mac);
    }
    return done;
}

void cygnet_aes_mac_clear(struct cygnet_aes_mac *mac) {
    EVP_CIPHER_CTX_free(mac->chain);
    explicit_bzero(mac, sizeof *mac);
}

static void chain(
    const struct cygnet_aes_mac *mac, struct cygnet_mac_state *state, const uint8_t *block) {
    for (int index = 0; index < 16; index++) {
        state->chained[index] ^= block[index];
    }
    state->failed |= encrypt(mac->chain, state->chained, state->chained) ? 0 : 1;
}

void cygnet_aes_mac_update(
    const struct cygnet_aes_mac *mac, struct cygnet_mac_state *state, const uint8_t *bytes,
    size_t length) {
    // The last block waits: it goes another way than those before it.
    while (length > 0) {
        if (state->pending_length == 16) {
            chain(mac, state, state->pending);
            state->pending_length = 0;
        }
        size_t room = 16 - state->pending_length;
        size_t taken = length < room ? length : room;
        memcpy(state->pending + state->pending_length, bytes, taken);
        state->pending_length += (uint32_t)taken;
        bytes += taken;
        length -= taken;
    }
}

void cygnet_aes_mac_finish(
    const struct cygnet_aes_mac *mac, struct cygnet_mac_state *state, uint8_t output[16]) {
    const uint8_t *key = mac->whole;
    if (state->pending_length < 16) {
        memset(state->pending + state->pending_length, 0, 16 - state->pending_length);
        state->pending[state->pending_length] = 0x80;
        key = mac->padded;
    }
    for (int index = 0; index < 16; index++) {
        state->pending[index] ^= key[index];
    }
    chain(mac, state, state->pending);
    memcpy(output, state->chained, 16);
}
