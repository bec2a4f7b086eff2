#include "packet_cipher.h"
#include "key_pool.h"

#if defined(__x86_64__) && __has_include(<intel-ipsec-mb.h>)

#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>

enum { BURST = 64, LONGEST_IV = 16, LONGEST_HASH_BLOCK = 128 };

/// The expanded keys of one direction of one SA. A gateway has very many of them: a suite has the
/// memory of what it needs, and no more.
struct cygnet_multi_buffer {
    union {
        // First, and thereby on a boundary of 64 octets.
        struct gcm_key_data gcm;
        struct {
            DECLARE_ALIGNED(uint8_t encryption[16 * 15], 16);
            DECLARE_ALIGNED(uint8_t decryption[16 * 15], 16);
            DECLARE_ALIGNED(uint8_t iv_maker[16 * 15], 16);
            DECLARE_ALIGNED(uint8_t inner[64], 16);
            DECLARE_ALIGNED(uint8_t outer[64], 16);
        } hmac;
        uint8_t chacha[32];
    };
    uint8_t salt[4];
    uint32_t key_length;
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct cygnet_multi_buffer) == KEY_PLACE_OCTETS, "they fill their places");

/// What one job of a burst needs besides its packet.
struct lane {
    DECLARE_ALIGNED(uint8_t iv[LONGEST_IV], 16);
    uint8_t aad[12];
    uint8_t computed[64];
    uint8_t received[32];
};

// A manager queues jobs across SAs but not across threads, so each thread has one of its own,
// released when the thread ends.
static __thread IMB_MGR *thread_manager;
static pthread_key_t manager_key;
static pthread_once_t manager_key_once = PTHREAD_ONCE_INIT;

static void release_manager(void *manager) {
    free_mb_mgr(manager);
}

static void create_manager_key(void) {
    pthread_key_create(&manager_key, release_manager);
}

static IMB_MGR *create_manager(void) {
    pthread_once(&manager_key_once, create_manager_key);
    IMB_MGR *manager = alloc_mb_mgr(0);
    if (manager == NULL) {
        return NULL;
    }
    IMB_ARCH architecture;
    init_mb_mgr_auto(manager, &architecture);
    // Without AES-NI the library falls back on tables, whose timing tells of the key.
    uint64_t needed = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
    if (imb_get_errno(manager) != 0 || (manager->features & needed) != needed) {
        free_mb_mgr(manager);
        return NULL;
    }
    pthread_setspecific(manager_key, manager);
    thread_manager = manager;
    return manager;
}

static inline IMB_MGR *current_manager(void) {
    return thread_manager != NULL ? thread_manager : create_manager();
}

int cygnet_has_multi_buffer(void) {
    return current_manager() != NULL;
}

static void hash_block(IMB_MGR *manager, uint32_t hash, const uint8_t *block, uint8_t *state) {
    switch (hash) {
    case CYGNET_SHA256: IMB_SHA256_ONE_BLOCK(manager, block, state); break;
    case CYGNET_SHA384: IMB_SHA384_ONE_BLOCK(manager, block, state); break;
    default: IMB_SHA512_ONE_BLOCK(manager, block, state); break;
    }
}

/// The keys that RFC 4868 §2.1.1 allows are never longer than a block.
static void prepare_integrity(
    IMB_MGR *manager, struct cygnet_multi_buffer *keys,
    const struct cygnet_cipher_parameters *parameters) {
    uint8_t inner[LONGEST_HASH_BLOCK];
    uint8_t outer[LONGEST_HASH_BLOCK];
    memset(inner, 0x36, sizeof inner);
    memset(outer, 0x5c, sizeof outer);
    for (uint32_t index = 0; index < parameters->integrity_key_length; index++) {
        inner[index] ^= parameters->integrity_key[index];
        outer[index] ^= parameters->integrity_key[index];
    }
    hash_block(manager, parameters->hash, inner, keys->hmac.inner);
    hash_block(manager, parameters->hash, outer, keys->hmac.outer);
    OPENSSL_cleanse(inner, sizeof inner);
    OPENSSL_cleanse(outer, sizeof outer);
}

static void prepare_cipher(
    IMB_MGR *manager, struct cygnet_multi_buffer *keys,
    const struct cygnet_cipher_parameters *parameters) {
    const uint8_t *key = parameters->encryption_key;
    int is_long = parameters->key_length == 32;
    switch (parameters->kind) {
    case CYGNET_AES_GCM:
        if (is_long) {
            IMB_AES256_GCM_PRE(manager, key, &keys->gcm);
        } else {
            IMB_AES128_GCM_PRE(manager, key, &keys->gcm);
        }
        break;
    case CYGNET_CHACHA20_POLY1305:
        memcpy(keys->chacha, key, sizeof keys->chacha);
        break;
    default:
        if (is_long) {
            IMB_AES_KEYEXP_256(manager, key, keys->hmac.encryption, keys->hmac.decryption);
        } else {
            IMB_AES_KEYEXP_128(manager, key, keys->hmac.encryption, keys->hmac.decryption);
        }
    }
}

int cygnet_multi_buffer_has_suite(const struct cygnet_cipher_parameters *parameters) {
    int has_key = parameters->key_length == 16 || parameters->key_length == 32;
    int has_hash = parameters->hash == CYGNET_SHA256 || parameters->hash == CYGNET_SHA384
        || parameters->hash == CYGNET_SHA512;
    switch (parameters->kind) {
    case CYGNET_AES_GCM:
        return has_key && parameters->icv_length == 16 && parameters->iv_length == 8;
    case CYGNET_CHACHA20_POLY1305: return parameters->iv_length == 8;
    case CYGNET_AES_CBC:
    case CYGNET_AES_CTR:
        return has_key && has_hash && parameters->integrity_key_length <= LONGEST_HASH_BLOCK / 2;
    default: return 0;
    }
}

struct cygnet_multi_buffer *cygnet_multi_buffer_create(
    const struct cygnet_cipher_parameters *parameters) {
    IMB_MGR *manager = current_manager();
    if (manager == NULL || !cygnet_multi_buffer_has_suite(parameters)) {
        return NULL;
    }
    struct cygnet_multi_buffer *keys = cygnet_key_place_take();
    if (keys == NULL) {
        return NULL;
    }
    memset(keys, 0, sizeof *keys);
    keys->key_length = parameters->key_length;
    prepare_cipher(manager, keys, parameters);
    if (parameters->hash != CYGNET_HASH_NONE) {
        prepare_integrity(manager, keys, parameters);
    }
    if (parameters->kind == CYGNET_AES_CBC) {
        uint8_t key[IV_KEY_LENGTH];
        uint8_t unused[16 * 15];
        cygnet_derive_iv_key(parameters, key);
        IMB_AES_KEYEXP_128(manager, key, keys->hmac.iv_maker, unused);
        OPENSSL_cleanse(key, sizeof key);
        OPENSSL_cleanse(unused, sizeof unused);
    } else {
        memcpy(keys->salt, parameters->encryption_key + parameters->key_length, 4);
    }
    return keys;
}

size_t cygnet_multi_buffer_octets(void) {
    return sizeof(struct cygnet_multi_buffer);
}

void cygnet_multi_buffer_free(struct cygnet_multi_buffer *keys) {
    if (keys != NULL) {
        OPENSSL_cleanse(keys, sizeof *keys);
        cygnet_key_place_give(keys);
    }
}

// AES-GCM: one direct call a packet, which uses the whole width of the processor by itself.

/// Salt and IV. Stored as eight and four octets, which is how the library loads it: the processor
/// then forwards the stores.
static inline void gcm_nonce(
    const struct cygnet_multi_buffer *keys, const uint8_t *iv, uint8_t nonce[12]) {
    uint32_t salt;
    uint32_t first;
    memcpy(&salt, keys->salt, 4);
    memcpy(&first, iv, 4);
    uint64_t start = salt | (uint64_t)first << 32;
    memcpy(nonce, &start, 8);
    memcpy(nonce + 8, iv + 4, 4);
}

static void seal_gcm(
    IMB_MGR *manager, const struct cygnet_packet_cipher *cipher, struct cygnet_packet_job *jobs,
    size_t count, int keeps_iv) {
    const struct cygnet_multi_buffer *keys = cipher->multi_buffer;
    aes_gcm_enc_dec_t seal = keys->key_length == 32 ? manager->gcm256_enc : manager->gcm128_enc;
    struct gcm_context_data context;
    for (size_t index = 0; index < count; index++) {
        struct cygnet_packet_job *job = &jobs[index];
        if (!cygnet_body_fits(cipher, job->body_length)) {
            job->status = CYGNET_PACKET_BAD_LENGTH;
            continue;
        }
        uint8_t nonce[12];
        uint8_t extended[12];
        const uint8_t *aad = job->esp;
        uint64_t aad_length = ESP_HEADER_LENGTH;
        uint8_t *body = job->esp + ESP_HEADER_LENGTH + 8;
        if (!keeps_iv) {
            cygnet_write_sequence_iv(job, job->esp + ESP_HEADER_LENGTH);
        }
        gcm_nonce(keys, job->esp + ESP_HEADER_LENGTH, nonce);
        if (cipher->extended_sequence) {
            cygnet_write_extended_aad(job, extended);
            aad = extended;
            aad_length = sizeof extended;
        }
        seal(
            &keys->gcm, &context, body, body, job->body_length, nonce, aad, aad_length,
            body + job->body_length, 16);
        job->status = CYGNET_PACKET_OK;
    }
}

static void open_gcm(
    IMB_MGR *manager, const struct cygnet_packet_cipher *cipher, struct cygnet_packet_job *jobs,
    size_t count) {
    const struct cygnet_multi_buffer *keys = cipher->multi_buffer;
    aes_gcm_enc_dec_t open = keys->key_length == 32 ? manager->gcm256_dec : manager->gcm128_dec;
    struct gcm_context_data context;
    for (size_t index = 0; index < count; index++) {
        struct cygnet_packet_job *job = &jobs[index];
        if (!cygnet_body_fits(cipher, job->body_length)) {
            job->status = CYGNET_PACKET_BAD_LENGTH;
            continue;
        }
        uint8_t nonce[12];
        uint8_t extended[12];
        uint8_t computed[16];
        const uint8_t *aad = job->esp;
        uint64_t aad_length = ESP_HEADER_LENGTH;
        uint8_t *body = job->esp + ESP_HEADER_LENGTH + 8;
        gcm_nonce(keys, job->esp + ESP_HEADER_LENGTH, nonce);
        if (cipher->extended_sequence) {
            cygnet_write_extended_aad(job, extended);
            aad = extended;
            aad_length = sizeof extended;
        }
        open(
            &keys->gcm, &context, body, body, job->body_length, nonce, aad, aad_length, computed,
            16);
        job->status = CRYPTO_memcmp(computed, body + job->body_length, 16) == 0
            ? CYGNET_PACKET_OK
            : CYGNET_PACKET_AUTHENTICATION_FAILED;
    }
}

// Everything else: bursts of jobs, which the library runs several at a time.

static void write_iv(
    IMB_MGR *manager, const struct cygnet_packet_cipher *cipher,
    const struct cygnet_packet_job *job) {
    uint8_t *iv = job->esp + ESP_HEADER_LENGTH;
    if (cipher->kind != CYGNET_AES_CBC) {
        cygnet_write_sequence_iv(job, iv);
        return;
    }
    // One block of CFB over zeros is the block cipher's output for the IV.
    DECLARE_ALIGNED(uint8_t input[16], 16) = {0};
    static const uint8_t zeros[16];
    cygnet_write_sequence_iv(job, input);
    IMB_AES128_CFB_ONE(manager, iv, zeros, input, cipher->multi_buffer->hmac.iv_maker, 16);
}

static IMB_HASH_ALG hash_algorithm(uint32_t hash) {
    switch (hash) {
    case CYGNET_SHA256: return IMB_AUTH_HMAC_SHA_256;
    case CYGNET_SHA384: return IMB_AUTH_HMAC_SHA_384;
    default: return IMB_AUTH_HMAC_SHA_512;
    }
}

static void describe_aead(
    const struct cygnet_packet_cipher *cipher, const struct cygnet_packet_job *packet,
    struct lane *lane, IMB_JOB *job) {
    job->cipher_mode = IMB_CIPHER_CHACHA20_POLY1305;
    job->hash_alg = IMB_AUTH_CHACHA20_POLY1305;
    job->enc_keys = cipher->multi_buffer->chacha;
    job->dec_keys = cipher->multi_buffer->chacha;
    job->iv_len_in_bytes = 12;
    job->hash_start_src_offset_in_bytes = job->cipher_start_src_offset_in_bytes;
    job->msg_len_to_hash_in_bytes = packet->body_length;
    job->u.CHACHA20_POLY1305.aad = packet->esp;
    job->u.CHACHA20_POLY1305.aad_len_in_bytes = ESP_HEADER_LENGTH;
    if (cipher->extended_sequence) {
        cygnet_write_extended_aad(packet, lane->aad);
        job->u.CHACHA20_POLY1305.aad = lane->aad;
        job->u.CHACHA20_POLY1305.aad_len_in_bytes = sizeof lane->aad;
    }
}

static void describe_hmac(
    const struct cygnet_packet_cipher *cipher, const struct cygnet_packet_job *packet,
    uint8_t *icv, IMB_JOB *job) {
    const struct cygnet_multi_buffer *keys = cipher->multi_buffer;
    job->cipher_mode = cipher->kind == CYGNET_AES_CBC ? IMB_CIPHER_CBC : IMB_CIPHER_CNTR;
    job->hash_alg = hash_algorithm(cipher->hash);
    job->enc_keys = keys->hmac.encryption;
    job->dec_keys = keys->hmac.decryption;
    job->iv_len_in_bytes = LONGEST_IV;
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_hash_in_bytes =
        job->cipher_start_src_offset_in_bytes + packet->body_length;
    job->u.HMAC._hashed_auth_key_xor_ipad = keys->hmac.inner;
    job->u.HMAC._hashed_auth_key_xor_opad = keys->hmac.outer;
    if (cipher->extended_sequence) {
        // RFC 4303 §3.3.2.1: hashed behind everything else. It stands where the ICV will, and an
        // ICV received there is in the lane already.
        cygnet_write_big_endian(icv, packet->sequence_high);
        job->msg_len_to_hash_in_bytes += 4;
    }
}

static void describe(
    const struct cygnet_packet_cipher *cipher, struct cygnet_packet_job *packet,
    struct lane *lane, int seals, IMB_JOB *job) {
    static const uint8_t one[4] = {0, 0, 0, 1};
    uint8_t *iv = packet->esp + ESP_HEADER_LENGTH;
    uint8_t *body = iv + cipher->iv_length;
    uint8_t *icv = body + packet->body_length;
    if (cipher->kind == CYGNET_AES_CBC) {
        memcpy(lane->iv, iv, 16);
    } else {
        memcpy(lane->iv, cipher->multi_buffer->salt, 4);
        memcpy(lane->iv + 4, iv, 8);
        memcpy(lane->iv + 12, one, 4);
    }
    job->src = packet->esp;
    job->dst = body;
    job->key_len_in_bytes = cipher->multi_buffer->key_length;
    job->cipher_start_src_offset_in_bytes = (uint64_t)(body - packet->esp);
    job->msg_len_to_cipher_in_bytes = packet->body_length;
    job->iv = lane->iv;
    job->cipher_direction = seals ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
    job->chain_order = seals ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
    job->auth_tag_output = seals ? icv : lane->computed;
    job->auth_tag_output_len_in_bytes = cipher->icv_length;
    job->user_data = packet;
    job->user_data2 = lane;
    if (!seals) {
        memcpy(lane->received, icv, cipher->icv_length);
    }
    if (cipher->hash == CYGNET_HASH_NONE) {
        describe_aead(cipher, packet, lane, job);
    } else {
        describe_hmac(cipher, packet, icv, job);
    }
}

/// Takes over what the library has done. Jobs come back in the order in which they went.
static void collect(
    const struct cygnet_packet_cipher *cipher, int seals, IMB_JOB *const *done, uint32_t count) {
    for (uint32_t index = 0; index < count; index++) {
        struct cygnet_packet_job *packet = done[index]->user_data;
        const struct lane *lane = done[index]->user_data2;
        if (!seals && cipher->extended_sequence && cipher->hash != CYGNET_HASH_NONE) {
            // Where half of the sequence number stood for the hash; see `describe_hmac`.
            uint8_t *icv =
                packet->esp + ESP_HEADER_LENGTH + cipher->iv_length + packet->body_length;
            memcpy(icv, lane->received, cipher->icv_length);
        }
        if (done[index]->status != IMB_STATUS_COMPLETED) {
            packet->status = CYGNET_PACKET_LIBRARY_FAILURE;
        } else if (
            !seals && CRYPTO_memcmp(lane->computed, lane->received, cipher->icv_length) != 0) {
            packet->status = CYGNET_PACKET_AUTHENTICATION_FAILED;
        } else {
            packet->status = CYGNET_PACKET_OK;
        }
    }
}

static void run_burst(
    IMB_MGR *manager, const struct cygnet_packet_cipher *cipher, struct cygnet_packet_job *jobs,
    uint32_t count, int seals, int keeps_iv) {
    struct lane lanes[BURST];
    IMB_JOB *burst[BURST];
    uint32_t wanted = 0;
    for (uint32_t index = 0; index < count; index++) {
        wanted += cygnet_body_fits(cipher, jobs[index].body_length) ? 1 : 0;
        jobs[index].status = CYGNET_PACKET_LIBRARY_FAILURE;
    }
    // Nothing is left queued between calls, so there is room for all of them.
    uint32_t room = wanted == 0 ? 0 : IMB_GET_NEXT_BURST(manager, wanted, burst);
    uint32_t used = 0;
    for (uint32_t index = 0; index < count; index++) {
        if (!cygnet_body_fits(cipher, jobs[index].body_length)) {
            jobs[index].status = CYGNET_PACKET_BAD_LENGTH;
        } else if (used < room) {
            if (seals && !keeps_iv) {
                write_iv(manager, cipher, &jobs[index]);
            }
            describe(cipher, &jobs[index], &lanes[used], seals, burst[used]);
            used++;
        }
    }
    uint32_t done = used == 0 ? 0 : IMB_SUBMIT_BURST(manager, used, burst);
    collect(cipher, seals, burst, done);
    while (done < used) {
        uint32_t flushed = IMB_FLUSH_BURST(manager, used - done, burst);
        if (flushed == 0) {
            break;
        }
        collect(cipher, seals, burst, flushed);
        done += flushed;
    }
}

static void run_bursts(
    IMB_MGR *manager, const struct cygnet_packet_cipher *cipher, struct cygnet_packet_job *jobs,
    size_t count, int seals, int keeps_iv) {
    for (size_t start = 0; start < count; start += BURST) {
        size_t rest = count - start;
        uint32_t length = rest < BURST ? (uint32_t)rest : BURST;
        run_burst(manager, cipher, jobs + start, length, seals, keeps_iv);
    }
}

static void refuse_all(struct cygnet_packet_job *jobs, size_t count) {
    for (size_t index = 0; index < count; index++) {
        jobs[index].status = CYGNET_PACKET_LIBRARY_FAILURE;
    }
}

void cygnet_multi_buffer_seal(
    const struct cygnet_packet_cipher *cipher, struct cygnet_packet_job *jobs, size_t count,
    int keeps_iv) {
    IMB_MGR *manager = current_manager();
    if (manager == NULL) {
        refuse_all(jobs, count);
    } else if (cipher->kind == CYGNET_AES_GCM) {
        seal_gcm(manager, cipher, jobs, count, keeps_iv);
    } else {
        run_bursts(manager, cipher, jobs, count, 1, keeps_iv);
    }
}

void cygnet_multi_buffer_open(
    const struct cygnet_packet_cipher *cipher, struct cygnet_packet_job *jobs, size_t count) {
    IMB_MGR *manager = current_manager();
    if (manager == NULL) {
        refuse_all(jobs, count);
    } else if (cipher->kind == CYGNET_AES_GCM) {
        open_gcm(manager, cipher, jobs, count);
    } else {
        run_bursts(manager, cipher, jobs, count, 0, 0);
    }
}

#else

int cygnet_has_multi_buffer(void) {
    return 0;
}

int cygnet_multi_buffer_has_suite(const struct cygnet_cipher_parameters *parameters) {
    (void)parameters;
    return 0;
}

struct cygnet_multi_buffer *cygnet_multi_buffer_create(
    const struct cygnet_cipher_parameters *parameters) {
    (void)parameters;
    return NULL;
}

size_t cygnet_multi_buffer_octets(void) {
    return 0;
}

void cygnet_multi_buffer_free(struct cygnet_multi_buffer *keys) {
    (void)keys;
}

// Never called: no cipher of this back end can be made.
void cygnet_multi_buffer_seal(
    const struct cygnet_packet_cipher *cipher, struct cygnet_packet_job *jobs, size_t count,
    int keeps_iv) {
    (void)cipher, (void)jobs, (void)count, (void)keeps_iv;
}

void cygnet_multi_buffer_open(
    const struct cygnet_packet_cipher *cipher, struct cygnet_packet_job *jobs, size_t count) {
    (void)cipher, (void)jobs, (void)count;
}

#endif
