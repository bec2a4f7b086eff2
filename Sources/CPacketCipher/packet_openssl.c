#include "packet_cipher.h"

enum { LONGEST_IV = 16 };

/// The job for OpenSSL; `storage` holds what the ICV covers and is not in the packet itself, `iv`
/// an IV that is not sent.
static struct cygnet_evp_job describe(
    const struct cygnet_packet_cipher *cipher, const struct cygnet_packet_job *packet,
    uint8_t storage[12], uint8_t iv[8]) {
    uint8_t *sent_iv = packet->esp + ESP_HEADER_LENGTH;
    struct cygnet_evp_job job = {
        .before = packet->esp,
        .before_length = ESP_HEADER_LENGTH,
        .iv = sent_iv,
        .sent_iv_length = cipher->iv_length,
        .body = sent_iv + cipher->iv_length,
        .body_length = packet->body_length,
    };
    if (cipher->iv_length == 0) {
        // RFC 8750 §3: the sequence number, whether it has 32 or 64 bits.
        cygnet_write_sequence_iv(packet, iv);
        job.iv = iv;
    }
    if (!cipher->extended_sequence) {
        return job;
    }
    if (cipher->hash == CYGNET_HASH_NONE) {
        cygnet_write_extended_aad(packet, storage);
        job.before = storage;
        job.before_length = 12;
    } else {
        // RFC 4303 §3.3.2.1: behind everything else, and never sent.
        cygnet_write_big_endian(storage, packet->sequence_high);
        job.after = storage;
        job.after_length = 4;
    }
    return job;
}

static int write_iv(const struct cygnet_packet_cipher *cipher, const struct cygnet_packet_job *job) {
    uint8_t *iv = job->esp + ESP_HEADER_LENGTH;
    if (cipher->iv_length == 0) {
        return 1;
    }
    if (!cygnet_needs_unpredictable_iv(cipher->kind)) {
        cygnet_write_sequence_iv(job, iv);
        return 1;
    }
    uint8_t block[LONGEST_IV] = {0};
    int written = 0;
    cygnet_write_sequence_iv(job, block);
    int done = cipher->iv_maker != NULL
        && EVP_EncryptUpdate(cipher->iv_maker, block, &written, block, sizeof block) == 1;
    memcpy(iv, block, cipher->iv_length);
    return done;
}

void cygnet_openssl_seal(
    struct cygnet_packet_cipher *cipher, struct cygnet_packet_job *jobs, size_t count,
    int keeps_iv) {
    for (size_t index = 0; index < count; index++) {
        struct cygnet_packet_job *packet = &jobs[index];
        if (!cygnet_body_fits(cipher, packet->body_length)) {
            packet->status = CYGNET_PACKET_BAD_LENGTH;
            continue;
        }
        if (!keeps_iv && !write_iv(cipher, packet)) {
            packet->status = CYGNET_PACKET_LIBRARY_FAILURE;
            continue;
        }
        uint8_t storage[12];
        uint8_t iv[8];
        struct cygnet_evp_job job = describe(cipher, packet, storage, iv);
        packet->status = cygnet_evp_cipher_seal(cipher->evp, &job);
    }
}

void cygnet_openssl_open(
    struct cygnet_packet_cipher *cipher, struct cygnet_packet_job *jobs, size_t count) {
    for (size_t index = 0; index < count; index++) {
        struct cygnet_packet_job *packet = &jobs[index];
        if (!cygnet_body_fits(cipher, packet->body_length)) {
            packet->status = CYGNET_PACKET_BAD_LENGTH;
            continue;
        }
        uint8_t storage[12];
        uint8_t iv[8];
        struct cygnet_evp_job job = describe(cipher, packet, storage, iv);
        packet->status = cygnet_evp_cipher_open(cipher->evp, &job);
    }
}
