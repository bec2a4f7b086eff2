#define _DEFAULT_SOURCE
#include "aes_mac.h"

#include <string.h>

enum { LONGEST_OUTPUT = 64, AES_KEY_LENGTH = 16 };

static int is_aes(uint32_t hash) {
    return hash == CYGNET_AES_XCBC || hash == CYGNET_AES_CMAC;
}

int cygnet_mac_prepare(
    struct cygnet_mac_key *key, uint32_t hash, const void *bytes, size_t length) {
    key->hash = hash;
    if (!is_aes(hash)) {
        key->aes.chain = NULL;
        cygnet_hmac_prepare(&key->hmac, hash, bytes, length);
        key->output_length = key->hmac.output_length;
        return 1;
    }
    key->output_length = 16;
    if (length != AES_KEY_LENGTH || !cygnet_aes_mac_prepare(&key->aes, hash, bytes)) {
        memset(key, 0, sizeof *key);
        return 0;
    }
    return 1;
}

void cygnet_mac_clear(struct cygnet_mac_key *key) {
    if (is_aes(key->hash)) {
        cygnet_aes_mac_clear(&key->aes);
    }
    explicit_bzero(key, sizeof *key);
}

void cygnet_mac_begin(const struct cygnet_mac_key *key, struct cygnet_mac_state *state) {
    if (is_aes(key->hash)) {
        memset(state, 0, sizeof *state);
    } else {
        cygnet_hmac_begin(&key->hmac, &state->hash);
    }
}

void cygnet_mac_update(
    const struct cygnet_mac_key *key, struct cygnet_mac_state *state, const void *bytes,
    size_t length) {
    if (is_aes(key->hash)) {
        cygnet_aes_mac_update(&key->aes, state, bytes, length);
    } else {
        cygnet_hmac_update(&key->hmac, &state->hash, bytes, length);
    }
}

int cygnet_mac_finish(
    const struct cygnet_mac_key *key, struct cygnet_mac_state *state, uint8_t *output) {
    int done = 1;
    if (is_aes(key->hash)) {
        cygnet_aes_mac_finish(&key->aes, state, output);
        done = state->failed == 0;
        explicit_bzero(state, sizeof *state);
    } else {
        cygnet_hmac_finish(&key->hmac, &state->hash, output);
        explicit_bzero(&state->hash, sizeof state->hash);
    }
    return done;
}

/// A key of any length for a PRF made of AES, which has keys of 16 octets: RFC 4434 §2 pads a
/// shorter one with zeros where RFC 4615 §3 hashes it; both hash a longer one.
static int prepare_prf(
    struct cygnet_mac_key *prepared, uint32_t hash, const void *key, size_t length) {
    if (!is_aes(hash) || length == AES_KEY_LENGTH) {
        return cygnet_mac_prepare(prepared, hash, key, length);
    }
    uint8_t fitted[AES_KEY_LENGTH] = {0};
    if (hash == CYGNET_AES_XCBC && length < AES_KEY_LENGTH) {
        if (length > 0) {
            memcpy(fitted, key, length);
        }
    } else {
        struct cygnet_mac_state state;
        if (!cygnet_mac_prepare(prepared, hash, fitted, sizeof fitted)) {
            return 0;
        }
        cygnet_mac_begin(prepared, &state);
        cygnet_mac_update(prepared, &state, key, length);
        int done = cygnet_mac_finish(prepared, &state, fitted);
        cygnet_mac_clear(prepared);
        if (!done) {
            return 0;
        }
    }
    int done = cygnet_mac_prepare(prepared, hash, fitted, sizeof fitted);
    explicit_bzero(fitted, sizeof fitted);
    return done;
}

static void update_all(
    const struct cygnet_mac_key *key, struct cygnet_mac_state *state,
    const struct cygnet_bytes *parts, size_t part_count) {
    for (size_t index = 0; index < part_count; index++) {
        cygnet_mac_update(key, state, parts[index].bytes, parts[index].length);
    }
}

int cygnet_prf_compute(
    uint32_t hash, const void *key, size_t key_length, const struct cygnet_bytes *parts,
    size_t part_count, uint8_t *output) {
    struct cygnet_mac_key prepared;
    struct cygnet_mac_state state;
    if (!prepare_prf(&prepared, hash, key, key_length)) {
        return 0;
    }
    cygnet_mac_begin(&prepared, &state);
    update_all(&prepared, &state, parts, part_count);
    int done = cygnet_mac_finish(&prepared, &state, output);
    cygnet_mac_clear(&prepared);
    return done;
}

int cygnet_prf_plus(
    uint32_t hash, const void *key, size_t key_length, const struct cygnet_bytes *seed,
    size_t part_count, uint8_t *output, size_t length) {
    struct cygnet_mac_key prepared;
    struct cygnet_mac_state state;
    uint8_t block[LONGEST_OUTPUT];
    if (!prepare_prf(&prepared, hash, key, key_length)) {
        return 0;
    }
    size_t block_size = prepared.output_length;
    int done = 1;
    uint8_t number = 1;
    for (size_t written = 0; written < length && done; written += block_size, number++) {
        cygnet_mac_begin(&prepared, &state);
        cygnet_mac_update(&prepared, &state, block, number == 1 ? 0 : block_size);
        update_all(&prepared, &state, seed, part_count);
        cygnet_mac_update(&prepared, &state, &number, 1);
        done = cygnet_mac_finish(&prepared, &state, block);
        size_t rest = length - written;
        memcpy(output + written, block, rest < block_size ? rest : block_size);
    }
    cygnet_mac_clear(&prepared);
    explicit_bzero(block, sizeof block);
    return done;
}
