// The EVP layer allocates for each message and looks algorithms up by name, which costs more than
// the hashing of a short one. These functions are deprecated in favour of it, but do neither. Nor
// is anything wiped by the library, which goes eight octets at a time.
#define _DEFAULT_SOURCE
#define OPENSSL_SUPPRESS_DEPRECATED
#include "cygnet_hmac.h"

#include <openssl/md5.h>
#include <openssl/sha.h>
#include <string.h>

_Static_assert(sizeof(MD5_CTX) <= sizeof(struct cygnet_hash_state), "MD5 fits");
_Static_assert(sizeof(SHA_CTX) <= sizeof(struct cygnet_hash_state), "SHA-1 fits");
_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct cygnet_hash_state), "SHA-256 fits");
_Static_assert(sizeof(SHA512_CTX) <= sizeof(struct cygnet_hash_state), "SHA-512 fits");

enum { LONGEST_BLOCK = 128, LONGEST_OUTPUT = 64 };

static size_t output_length(uint32_t hash) {
    switch (hash) {
    case CYGNET_MD5: return 16;
    case CYGNET_SHA1: return 20;
    case CYGNET_SHA256: return 32;
    case CYGNET_SHA384: return 48;
    default: return 64;
    }
}

static size_t block_length(uint32_t hash) {
    return hash == CYGNET_SHA384 || hash == CYGNET_SHA512 ? 128 : 64;
}

static void start(uint32_t hash, struct cygnet_hash_state *state) {
    switch (hash) {
    case CYGNET_MD5: MD5_Init((MD5_CTX *)state); break;
    case CYGNET_SHA1: SHA1_Init((SHA_CTX *)state); break;
    case CYGNET_SHA256: SHA256_Init((SHA256_CTX *)state); break;
    case CYGNET_SHA384: SHA384_Init((SHA512_CTX *)state); break;
    default: SHA512_Init((SHA512_CTX *)state); break;
    }
}

static void update(
    uint32_t hash, struct cygnet_hash_state *state, const void *bytes, size_t length) {
    switch (hash) {
    case CYGNET_MD5: MD5_Update((MD5_CTX *)state, bytes, length); break;
    case CYGNET_SHA1: SHA1_Update((SHA_CTX *)state, bytes, length); break;
    case CYGNET_SHA256: SHA256_Update((SHA256_CTX *)state, bytes, length); break;
    case CYGNET_SHA384: SHA384_Update((SHA512_CTX *)state, bytes, length); break;
    default: SHA512_Update((SHA512_CTX *)state, bytes, length); break;
    }
}

static void finish(uint32_t hash, struct cygnet_hash_state *state, uint8_t *output) {
    switch (hash) {
    case CYGNET_MD5: MD5_Final(output, (MD5_CTX *)state); break;
    case CYGNET_SHA1: SHA1_Final(output, (SHA_CTX *)state); break;
    case CYGNET_SHA256: SHA256_Final(output, (SHA256_CTX *)state); break;
    case CYGNET_SHA384: SHA384_Final(output, (SHA512_CTX *)state); break;
    default: SHA512_Final(output, (SHA512_CTX *)state); break;
    }
}

void cygnet_sha1(const void *bytes, size_t length, uint8_t output[20]) {
    SHA_CTX context;
    SHA1_Init(&context);
    SHA1_Update(&context, bytes, length);
    SHA1_Final(output, &context);
}

void cygnet_hmac_prepare(
    struct cygnet_hmac_key *key, uint32_t hash, const void *bytes, size_t length) {
    uint8_t block[LONGEST_BLOCK] = {0};
    size_t block_size = block_length(hash);
    key->hash = hash;
    key->output_length = (uint32_t)output_length(hash);
    // RFC 2104 §2: a key longer than a block is hashed first.
    if (length > block_size) {
        start(hash, &key->inner);
        update(hash, &key->inner, bytes, length);
        finish(hash, &key->inner, block);
    } else if (length > 0) {
        memcpy(block, bytes, length);
    }
    for (size_t index = 0; index < block_size; index++) {
        block[index] ^= 0x36;
    }
    start(hash, &key->inner);
    update(hash, &key->inner, block, block_size);
    for (size_t index = 0; index < block_size; index++) {
        block[index] ^= 0x36 ^ 0x5c;
    }
    start(hash, &key->outer);
    update(hash, &key->outer, block, block_size);
    explicit_bzero(block, sizeof block);
}

void cygnet_hmac_begin(const struct cygnet_hmac_key *key, struct cygnet_hash_state *state) {
    *state = key->inner;
}

void cygnet_hmac_update(
    const struct cygnet_hmac_key *key, struct cygnet_hash_state *state, const void *bytes,
    size_t length) {
    if (length > 0) {
        update(key->hash, state, bytes, length);
    }
}

void cygnet_hmac_finish(
    const struct cygnet_hmac_key *key, struct cygnet_hash_state *state, uint8_t *output) {
    uint8_t inner[LONGEST_OUTPUT];
    finish(key->hash, state, inner);
    *state = key->outer;
    update(key->hash, state, inner, key->output_length);
    finish(key->hash, state, output);
    explicit_bzero(inner, sizeof inner);
}
