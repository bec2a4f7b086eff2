#include "evp_cipher.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <string.h>

// Looking an algorithm up by name costs more than sealing a message, so it is done once. The
// results live as long as the process.
enum { ALGORITHM_COUNT = 7 };
static const char *const algorithm_names[ALGORITHM_COUNT] = {
    "AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305", "AES-128-CBC",
    "AES-256-CBC", "AES-128-CTR", "AES-256-CTR",
};
static EVP_CIPHER *algorithms[ALGORITHM_COUNT];
static pthread_once_t algorithms_once = PTHREAD_ONCE_INIT;

static void fetch_algorithms(void) {
    for (int index = 0; index < ALGORITHM_COUNT; index++) {
        algorithms[index] = EVP_CIPHER_fetch(NULL, algorithm_names[index], NULL);
    }
}

static const EVP_CIPHER *algorithm(uint32_t kind, uint32_t key_length) {
    int is_long = key_length == 32;
    pthread_once(&algorithms_once, fetch_algorithms);
    switch (kind) {
    case CYGNET_AES_GCM: return algorithms[is_long ? 1 : 0];
    case CYGNET_CHACHA20_POLY1305: return algorithms[2];
    case CYGNET_AES_CBC: return algorithms[is_long ? 4 : 3];
    case CYGNET_AES_CTR: return algorithms[is_long ? 6 : 5];
    default: return NULL;
    }
}

int cygnet_evp_cipher_init(
    struct cygnet_evp_cipher *cipher, const struct cygnet_cipher_parameters *parameters) {
    memset(cipher, 0, sizeof *cipher);
    const EVP_CIPHER *chosen = algorithm(parameters->kind, parameters->key_length);
    cipher->context = chosen == NULL ? NULL : EVP_CIPHER_CTX_new();
    if (cipher->context == NULL) {
        return 0;
    }
    if (EVP_CipherInit_ex(
            cipher->context, chosen, NULL, parameters->encryption_key, NULL,
            parameters->seals != 0) != 1) {
        cygnet_evp_cipher_clear(cipher);
        return 0;
    }
    EVP_CIPHER_CTX_set_padding(cipher->context, 0);
    cipher->kind = parameters->kind;
    cipher->hash = parameters->hash;
    cipher->icv_length = parameters->icv_length;
    if (parameters->kind != CYGNET_AES_CBC) {
        memcpy(cipher->salt, parameters->encryption_key + parameters->key_length, 4);
    }
    if (parameters->hash != CYGNET_HASH_NONE) {
        cygnet_hmac_prepare(
            &cipher->mac, parameters->hash, parameters->integrity_key,
            parameters->integrity_key_length);
    }
    return 1;
}

void cygnet_evp_cipher_clear(struct cygnet_evp_cipher *cipher) {
    EVP_CIPHER_CTX_free(cipher->context);
    OPENSSL_cleanse(cipher, sizeof *cipher);
}

static size_t iv_length(const struct cygnet_evp_cipher *cipher) {
    return cipher->kind == CYGNET_AES_CBC ? 16 : 8;
}

static int start(struct cygnet_evp_cipher *cipher, const uint8_t *iv) {
    uint8_t block[16];
    if (cipher->kind == CYGNET_AES_CBC) {
        memcpy(block, iv, 16);
    } else {
        // RFC 4106 §4, RFC 7634 §2: salt and IV. RFC 3686 §4: and a counter that begins at one.
        static const uint8_t one[4] = {0, 0, 0, 1};
        memcpy(block, cipher->salt, 4);
        memcpy(block + 4, iv, 8);
        memcpy(block + 12, one, 4);
    }
    return EVP_CipherInit_ex(cipher->context, NULL, NULL, NULL, block, -1) == 1;
}

static int transform(struct cygnet_evp_cipher *cipher, uint8_t *body, size_t length) {
    int written = 0;
    return length == 0
        || EVP_CipherUpdate(cipher->context, body, &written, body, (int)length) == 1;
}

/// Starts an AEAD's message with what it authenticates only.
static int start_aead(
    struct cygnet_evp_cipher *cipher, const struct cygnet_evp_associated *associated,
    const uint8_t *iv) {
    int written = 0;
    return start(cipher, iv)
        && (associated->before_length == 0
            || EVP_CipherUpdate(
                   cipher->context, NULL, &written, associated->before,
                   (int)associated->before_length) == 1);
}

static void compute_icv(
    const struct cygnet_evp_cipher *cipher, const struct cygnet_evp_associated *associated,
    const uint8_t *iv, size_t length, uint8_t *icv) {
    struct cygnet_hash_state state;
    cygnet_hmac_begin(&cipher->mac, &state);
    cygnet_hmac_update(&cipher->mac, &state, associated->before, associated->before_length);
    cygnet_hmac_update(&cipher->mac, &state, iv, length);
    cygnet_hmac_update(&cipher->mac, &state, associated->after, associated->after_length);
    cygnet_hmac_finish(&cipher->mac, &state, icv);
}

uint32_t cygnet_evp_cipher_seal(
    struct cygnet_evp_cipher *cipher, const struct cygnet_evp_associated *associated, uint8_t *iv,
    size_t body_length) {
    uint8_t *body = iv + iv_length(cipher);
    uint8_t *icv = body + body_length;
    if (cipher->hash == CYGNET_HASH_NONE) {
        int written = 0;
        int done = start_aead(cipher, associated, iv) && transform(cipher, body, body_length)
            && EVP_CipherFinal_ex(cipher->context, icv, &written) == 1
            && EVP_CIPHER_CTX_ctrl(
                   cipher->context, EVP_CTRL_AEAD_GET_TAG, (int)cipher->icv_length, icv) == 1;
        return done ? CYGNET_PACKET_OK : CYGNET_PACKET_LIBRARY_FAILURE;
    }
    if (!start(cipher, iv) || !transform(cipher, body, body_length)) {
        return CYGNET_PACKET_LIBRARY_FAILURE;
    }
    uint8_t computed[64];
    compute_icv(cipher, associated, iv, (size_t)(icv - iv), computed);
    memcpy(icv, computed, cipher->icv_length);
    return CYGNET_PACKET_OK;
}

uint32_t cygnet_evp_cipher_open(
    struct cygnet_evp_cipher *cipher, const struct cygnet_evp_associated *associated, uint8_t *iv,
    size_t body_length) {
    uint8_t *body = iv + iv_length(cipher);
    uint8_t *icv = body + body_length;
    if (cipher->hash == CYGNET_HASH_NONE) {
        int written = 0;
        if (!start_aead(cipher, associated, iv) || !transform(cipher, body, body_length)
            || EVP_CIPHER_CTX_ctrl(
                   cipher->context, EVP_CTRL_AEAD_SET_TAG, (int)cipher->icv_length, icv) != 1) {
            return CYGNET_PACKET_LIBRARY_FAILURE;
        }
        uint8_t rest[16];
        return EVP_CipherFinal_ex(cipher->context, rest, &written) == 1
            ? CYGNET_PACKET_OK
            : CYGNET_PACKET_AUTHENTICATION_FAILED;
    }
    uint8_t computed[64];
    compute_icv(cipher, associated, iv, (size_t)(icv - iv), computed);
    if (CRYPTO_memcmp(computed, icv, cipher->icv_length) != 0) {
        return CYGNET_PACKET_AUTHENTICATION_FAILED;
    }
    return start(cipher, iv) && transform(cipher, body, body_length)
        ? CYGNET_PACKET_OK
        : CYGNET_PACKET_LIBRARY_FAILURE;
}
