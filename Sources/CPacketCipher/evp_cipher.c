#define _DEFAULT_SOURCE
#include "evp_cipher.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <string.h>

// Looking an algorithm up by name costs more than sealing a message, so it is done once. The
// results live as long as the process.
enum { AES_MODE_COUNT = 4, KEY_LENGTH_COUNT = 3 };
static const char *const aes_names[AES_MODE_COUNT][KEY_LENGTH_COUNT] = {
    {"AES-128-GCM", "AES-192-GCM", "AES-256-GCM"},
    {"AES-128-CCM", "AES-192-CCM", "AES-256-CCM"},
    {"AES-128-CBC", "AES-192-CBC", "AES-256-CBC"},
    {"AES-128-CTR", "AES-192-CTR", "AES-256-CTR"},
};
static EVP_CIPHER *aes[AES_MODE_COUNT][KEY_LENGTH_COUNT];
static EVP_CIPHER *chacha20_poly1305;
static EVP_CIPHER *triple_des;
static pthread_once_t algorithms_once = PTHREAD_ONCE_INIT;

static void fetch_algorithms(void) {
    for (int mode = 0; mode < AES_MODE_COUNT; mode++) {
        for (int length = 0; length < KEY_LENGTH_COUNT; length++) {
            aes[mode][length] = EVP_CIPHER_fetch(NULL, aes_names[mode][length], NULL);
        }
    }
    chacha20_poly1305 = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
    triple_des = EVP_CIPHER_fetch(NULL, "DES-EDE3-CBC", NULL);
}

static const EVP_CIPHER *algorithm(uint32_t kind, uint32_t key_length) {
    pthread_once(&algorithms_once, fetch_algorithms);
    if (kind == CYGNET_CHACHA20_POLY1305) {
        return chacha20_poly1305;
    }
    if (kind == CYGNET_TRIPLE_DES_CBC) {
        return key_length == 24 ? triple_des : NULL;
    }
    if (key_length != 16 && key_length != 24 && key_length != 32) {
        return NULL;
    }
    int length = (int)(key_length - 16) / 8;
    switch (kind) {
    case CYGNET_AES_GCM:
    case CYGNET_AES_GMAC: return aes[0][length];
    case CYGNET_AES_CCM: return aes[1][length];
    case CYGNET_AES_CBC: return aes[2][length];
    case CYGNET_AES_CTR: return aes[3][length];
    default: return NULL;
    }
}

static int init_context(
    struct cygnet_evp_cipher *cipher, const struct cygnet_cipher_parameters *parameters) {
    const EVP_CIPHER *chosen = algorithm(parameters->kind, parameters->key_length);
    cipher->context = chosen == NULL ? NULL : EVP_CIPHER_CTX_new();
    if (cipher->context == NULL) {
        return 0;
    }
    int seals = parameters->seals != 0;
    if (parameters->kind != CYGNET_AES_CCM) {
        if (EVP_CipherInit_ex(
                cipher->context, chosen, NULL, parameters->encryption_key, NULL, seals)
            != 1) {
            return 0;
        }
        EVP_CIPHER_CTX_set_padding(cipher->context, 0);
        return 1;
    }
    // RFC 4309 §4: 11 octets of nonce leave four for the length, whatever the ICV.
    return EVP_CipherInit_ex(cipher->context, chosen, NULL, NULL, NULL, seals) == 1
        && EVP_CIPHER_CTX_ctrl(cipher->context, EVP_CTRL_AEAD_SET_IVLEN, 11, NULL) == 1
        && EVP_CIPHER_CTX_ctrl(
               cipher->context, EVP_CTRL_AEAD_SET_TAG, (int)parameters->icv_length, NULL) == 1
        && EVP_CipherInit_ex(
               cipher->context, NULL, NULL, parameters->encryption_key, NULL, seals) == 1;
}

int cygnet_evp_cipher_init(
    struct cygnet_evp_cipher *cipher, const struct cygnet_cipher_parameters *parameters) {
    memset(cipher, 0, sizeof *cipher);
    if (parameters->kind != CYGNET_NULL && !init_context(cipher, parameters)) {
        cygnet_evp_cipher_clear(cipher);
        return 0;
    }
    cipher->kind = parameters->kind;
    cipher->hash = parameters->hash;
    cipher->icv_length = parameters->icv_length;
    cipher->salt_length = parameters->salt_length;
    memcpy(
        cipher->salt, parameters->encryption_key + parameters->key_length,
        parameters->salt_length);
    if (parameters->hash != CYGNET_HASH_NONE
        && !cygnet_mac_prepare(
            &cipher->mac, parameters->hash, parameters->integrity_key,
            parameters->integrity_key_length)) {
        cygnet_evp_cipher_clear(cipher);
        return 0;
    }
    return 1;
}

void cygnet_evp_cipher_clear(struct cygnet_evp_cipher *cipher) {
    EVP_CIPHER_CTX_free(cipher->context);
    if (cipher->hash != CYGNET_HASH_NONE) {
        cygnet_mac_clear(&cipher->mac);
    }
    explicit_bzero(cipher, sizeof *cipher);
}

static int start(struct cygnet_evp_cipher *cipher, const uint8_t *iv) {
    if (cipher->kind == CYGNET_AES_CBC || cipher->kind == CYGNET_TRIPLE_DES_CBC) {
        return EVP_CipherInit_ex(cipher->context, NULL, NULL, NULL, iv, -1) == 1;
    }
    // RFC 4106 §4, RFC 4309 §4, RFC 7634 §2: salt and IV. RFC 3686 §4: and a counter that begins
    // at one, which the others do not read.
    static const uint8_t one[4] = {0, 0, 0, 1};
    uint8_t block[16];
    memcpy(block, cipher->salt, cipher->salt_length);
    memcpy(block + cipher->salt_length, iv, 8);
    memcpy(block + cipher->salt_length + 8, one, 4);
    return EVP_CipherInit_ex(cipher->context, NULL, NULL, NULL, block, -1) == 1;
}

static int transform(struct cygnet_evp_cipher *cipher, uint8_t *body, size_t length) {
    int written = 0;
    // CCM computes its ICV in this call, so it wants it for an empty body too.
    return (length == 0 && cipher->kind != CYGNET_AES_CCM)
        || EVP_CipherUpdate(cipher->context, body, &written, body, (int)length) == 1;
}

static int authenticate(struct cygnet_evp_cipher *cipher, const uint8_t *bytes, size_t length) {
    int written = 0;
    return length == 0
        || EVP_CipherUpdate(cipher->context, NULL, &written, bytes, (int)length) == 1;
}

/// GMAC has nothing but associated data. RFC 4543 contradicts itself about the IV: §7 leaves it out, the
/// bracket of figure 4 does not. Its authors' test cases have it in, and so do the Linux kernel and the
/// others that are in use.
static int authenticate_all(
    struct cygnet_evp_cipher *cipher, const struct cygnet_evp_job *job) {
    return authenticate(
        cipher, job->body - job->sent_iv_length, job->sent_iv_length + job->body_length);
}

/// CCM wants the length of the whole before anything else.
static int announce(struct cygnet_evp_cipher *cipher, size_t length) {
    int written = 0;
    return cipher->kind != CYGNET_AES_CCM
        || EVP_CipherUpdate(cipher->context, NULL, &written, NULL, (int)length) == 1;
}

static uint32_t seal_aead(struct cygnet_evp_cipher *cipher, const struct cygnet_evp_job *job) {
    uint8_t *icv = job->body + job->body_length;
    uint8_t rest[16];
    int written = 0;
    int done = start(cipher, job->iv) && announce(cipher, job->body_length)
        && authenticate(cipher, job->before, job->before_length);
    if (cipher->kind == CYGNET_AES_GMAC) {
        done = done && authenticate_all(cipher, job);
    } else {
        done = done && transform(cipher, job->body, job->body_length);
    }
    done = done && EVP_CipherFinal_ex(cipher->context, rest, &written) == 1
        && EVP_CIPHER_CTX_ctrl(
               cipher->context, EVP_CTRL_AEAD_GET_TAG, (int)cipher->icv_length, icv) == 1;
    return done ? CYGNET_PACKET_OK : CYGNET_PACKET_LIBRARY_FAILURE;
}

static int expect_icv(struct cygnet_evp_cipher *cipher, uint8_t *icv) {
    return EVP_CIPHER_CTX_ctrl(
               cipher->context, EVP_CTRL_AEAD_SET_TAG, (int)cipher->icv_length, icv) == 1;
}

static uint32_t open_ccm(struct cygnet_evp_cipher *cipher, const struct cygnet_evp_job *job) {
    if (!expect_icv(cipher, job->body + job->body_length) || !start(cipher, job->iv)
        || !announce(cipher, job->body_length)
        || !authenticate(cipher, job->before, job->before_length)) {
        return CYGNET_PACKET_LIBRARY_FAILURE;
    }
    // The one call decrypts and verifies, and gives nothing out that is not authentic.
    int written = 0;
    return EVP_CipherUpdate(
               cipher->context, job->body, &written, job->body, (int)job->body_length) == 1
        ? CYGNET_PACKET_OK
        : CYGNET_PACKET_AUTHENTICATION_FAILED;
}

static uint32_t open_aead(struct cygnet_evp_cipher *cipher, const struct cygnet_evp_job *job) {
    if (cipher->kind == CYGNET_AES_CCM) {
        return open_ccm(cipher, job);
    }
    int done = start(cipher, job->iv) && authenticate(cipher, job->before, job->before_length);
    if (cipher->kind == CYGNET_AES_GMAC) {
        done = done && authenticate_all(cipher, job);
    } else {
        done = done && transform(cipher, job->body, job->body_length);
    }
    if (!done || !expect_icv(cipher, job->body + job->body_length)) {
        return CYGNET_PACKET_LIBRARY_FAILURE;
    }
    uint8_t rest[16];
    int written = 0;
    return EVP_CipherFinal_ex(cipher->context, rest, &written) == 1
        ? CYGNET_PACKET_OK
        : CYGNET_PACKET_AUTHENTICATION_FAILED;
}

static int compute_icv(
    const struct cygnet_evp_cipher *cipher, const struct cygnet_evp_job *job, uint8_t *icv) {
    struct cygnet_mac_state state;
    cygnet_mac_begin(&cipher->mac, &state);
    cygnet_mac_update(&cipher->mac, &state, job->before, job->before_length);
    cygnet_mac_update(
        &cipher->mac, &state, job->body - job->sent_iv_length,
        job->sent_iv_length + job->body_length);
    cygnet_mac_update(&cipher->mac, &state, job->after, job->after_length);
    return cygnet_mac_finish(&cipher->mac, &state, icv);
}

static int run_cipher(struct cygnet_evp_cipher *cipher, const struct cygnet_evp_job *job) {
    return cipher->context == NULL
        || (start(cipher, job->iv) && transform(cipher, job->body, job->body_length));
}

uint32_t cygnet_evp_cipher_seal(
    struct cygnet_evp_cipher *cipher, const struct cygnet_evp_job *job) {
    if (cipher->hash == CYGNET_HASH_NONE) {
        return seal_aead(cipher, job);
    }
    uint8_t computed[64];
    if (!run_cipher(cipher, job) || !compute_icv(cipher, job, computed)) {
        return CYGNET_PACKET_LIBRARY_FAILURE;
    }
    memcpy(job->body + job->body_length, computed, cipher->icv_length);
    return CYGNET_PACKET_OK;
}

uint32_t cygnet_evp_cipher_open(
    struct cygnet_evp_cipher *cipher, const struct cygnet_evp_job *job) {
    if (cipher->hash == CYGNET_HASH_NONE) {
        return open_aead(cipher, job);
    }
    uint8_t computed[64];
    if (!compute_icv(cipher, job, computed)) {
        return CYGNET_PACKET_LIBRARY_FAILURE;
    }
    if (CRYPTO_memcmp(computed, job->body + job->body_length, cipher->icv_length) != 0) {
        return CYGNET_PACKET_AUTHENTICATION_FAILED;
    }
    return run_cipher(cipher, job) ? CYGNET_PACKET_OK : CYGNET_PACKET_LIBRARY_FAILURE;
}
