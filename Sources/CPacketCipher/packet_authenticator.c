#define _DEFAULT_SOURCE
#include "cygnet_authenticator.h"

#include "packet_cipher.h"

#include <openssl/crypto.h>
#include <stdlib.h>

enum { AH_FIXED_LENGTH = 12, LONGEST_ICV = 64, GMAC_IV_LENGTH = 8, GMAC_SALT_LENGTH = 4 };

struct cygnet_authenticator {
    uint32_t hash;
    /// Octets of the ICV field, with GMAC's IV.
    uint32_t icv_length;
    int extended_sequence;
    struct cygnet_mac_key mac;
    /// GMAC alone.
    struct cygnet_evp_cipher gmac;
};

static int prepare_gmac(
    struct cygnet_authenticator *authenticator, const uint8_t *key, size_t key_length, int seals) {
    if (key_length <= GMAC_SALT_LENGTH) {
        return 0;
    }
    const struct cygnet_cipher_parameters parameters = {
        .kind = CYGNET_AES_GMAC,
        .key_length = (uint32_t)(key_length - GMAC_SALT_LENGTH),
        .salt_length = GMAC_SALT_LENGTH,
        .iv_length = GMAC_IV_LENGTH,
        .block_length = 1,
        .hash = CYGNET_HASH_NONE,
        .icv_length = authenticator->icv_length - GMAC_IV_LENGTH,
        .encryption_key = key,
        .seals = seals != 0,
    };
    return cygnet_evp_cipher_init(&authenticator->gmac, &parameters);
}

struct cygnet_authenticator *cygnet_authenticator_create(
    uint32_t hash, const uint8_t *key, size_t key_length, uint32_t icv_length, int seals,
    int extended_sequence) {
    struct cygnet_authenticator *authenticator = calloc(1, sizeof *authenticator);
    if (authenticator == NULL) {
        return NULL;
    }
    authenticator->hash = hash;
    authenticator->icv_length = icv_length;
    authenticator->extended_sequence = extended_sequence;
    int done = icv_length > GMAC_IV_LENGTH && icv_length <= LONGEST_ICV
        && (hash == CYGNET_HASH_NONE
                ? prepare_gmac(authenticator, key, key_length, seals)
                : cygnet_mac_prepare(&authenticator->mac, hash, key, key_length));
    if (!done) {
        free(authenticator);
        return NULL;
    }
    return authenticator;
}

void cygnet_authenticator_free(struct cygnet_authenticator *authenticator) {
    if (authenticator == NULL) {
        return;
    }
    if (authenticator->hash == CYGNET_HASH_NONE) {
        cygnet_evp_cipher_clear(&authenticator->gmac);
    } else {
        cygnet_mac_clear(&authenticator->mac);
    }
    OPENSSL_cleanse(authenticator, sizeof *authenticator);
    free(authenticator);
}

/// RFC 4302 §3.3.3: headers, AH, payload, and behind them the half of the number that is not sent.
static int compute_mac(
    const struct cygnet_authenticator *authenticator, const struct cygnet_authenticator_job *job,
    uint8_t *output) {
    uint8_t high[4];
    struct cygnet_mac_state state;
    cygnet_write_big_endian(high, job->sequence_high);
    cygnet_mac_begin(&authenticator->mac, &state);
    cygnet_mac_update(&authenticator->mac, &state, job->header, job->header_length);
    cygnet_mac_update(
        &authenticator->mac, &state, job->ah, job->ah_length + job->payload_length);
    if (authenticator->extended_sequence) {
        cygnet_mac_update(&authenticator->mac, &state, high, sizeof high);
    }
    return cygnet_mac_finish(&authenticator->mac, &state, output);
}

/// GMAC over the same octets: begins, and takes all of them as associated data.
static int run_gmac(
    struct cygnet_authenticator *authenticator, const struct cygnet_authenticator_job *job,
    const uint8_t *iv) {
    EVP_CIPHER_CTX *context = authenticator->gmac.context;
    uint8_t nonce[GMAC_SALT_LENGTH + GMAC_IV_LENGTH];
    uint8_t high[4];
    int written = 0;
    memcpy(nonce, authenticator->gmac.salt, GMAC_SALT_LENGTH);
    memcpy(nonce + GMAC_SALT_LENGTH, iv, GMAC_IV_LENGTH);
    cygnet_write_big_endian(high, job->sequence_high);
    return EVP_CipherInit_ex(context, NULL, NULL, NULL, nonce, -1) == 1
        && EVP_CipherUpdate(context, NULL, &written, job->header, (int)job->header_length) == 1
        && EVP_CipherUpdate(
               context, NULL, &written, job->ah, (int)(job->ah_length + job->payload_length))
        == 1
        && (!authenticator->extended_sequence
            || EVP_CipherUpdate(context, NULL, &written, high, sizeof high) == 1);
}

uint32_t cygnet_authenticator_seal(
    struct cygnet_authenticator *authenticator, const struct cygnet_authenticator_job *job) {
    uint8_t *icv = job->ah + AH_FIXED_LENGTH;
    memset(icv, 0, authenticator->icv_length);
    if (authenticator->hash != CYGNET_HASH_NONE) {
        uint8_t computed[LONGEST_ICV];
        if (!compute_mac(authenticator, job, computed)) {
            return CYGNET_PACKET_LIBRARY_FAILURE;
        }
        memcpy(icv, computed, authenticator->icv_length);
        return CYGNET_PACKET_OK;
    }
    // RFC 4543 §3.1: new for each packet, as the whole sequence number is.
    uint8_t iv[GMAC_IV_LENGTH];
    uint8_t rest[16];
    int written = 0;
    cygnet_write_big_endian(iv, job->sequence_high);
    memcpy(iv + 4, job->ah + 8, 4);
    EVP_CIPHER_CTX *context = authenticator->gmac.context;
    int done = run_gmac(authenticator, job, iv)
        && EVP_CipherFinal_ex(context, rest, &written) == 1
        && EVP_CIPHER_CTX_ctrl(
               context, EVP_CTRL_AEAD_GET_TAG, (int)authenticator->gmac.icv_length,
               icv + GMAC_IV_LENGTH)
            == 1;
    memcpy(icv, iv, sizeof iv);
    return done ? CYGNET_PACKET_OK : CYGNET_PACKET_LIBRARY_FAILURE;
}

uint32_t cygnet_authenticator_open(
    struct cygnet_authenticator *authenticator, const struct cygnet_authenticator_job *job) {
    uint8_t *icv = job->ah + AH_FIXED_LENGTH;
    uint8_t received[LONGEST_ICV];
    uint8_t computed[LONGEST_ICV];
    memcpy(received, icv, authenticator->icv_length);
    memset(icv, 0, authenticator->icv_length);
    if (authenticator->hash != CYGNET_HASH_NONE) {
        if (!compute_mac(authenticator, job, computed)) {
            return CYGNET_PACKET_LIBRARY_FAILURE;
        }
        return CRYPTO_memcmp(computed, received, authenticator->icv_length) == 0
            ? CYGNET_PACKET_OK
            : CYGNET_PACKET_AUTHENTICATION_FAILED;
    }
    uint8_t rest[16];
    int written = 0;
    EVP_CIPHER_CTX *context = authenticator->gmac.context;
    if (!run_gmac(authenticator, job, received)
        || EVP_CIPHER_CTX_ctrl(
               context, EVP_CTRL_AEAD_SET_TAG, (int)authenticator->gmac.icv_length,
               received + GMAC_IV_LENGTH)
            != 1) {
        return CYGNET_PACKET_LIBRARY_FAILURE;
    }
    return EVP_CipherFinal_ex(context, rest, &written) == 1 ? CYGNET_PACKET_OK
                                                            : CYGNET_PACKET_AUTHENTICATION_FAILED;
}
