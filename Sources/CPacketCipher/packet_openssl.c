#include "packet_cipher.h"

/// What the ICV of `job` covers; `storage` holds what is not in the packet itself.
static struct cygnet_evp_associated associated_data(
    const struct cygnet_packet_cipher *cipher, const struct cygnet_packet_job *job,
    uint8_t storage[12]) {
    struct cygnet_evp_associated associated = {job->esp, ESP_HEADER_LENGTH, NULL, 0};
    if (!cipher->extended_sequence) {
        return associated;
    }
    if (cipher->hash == CYGNET_HASH_NONE) {
        cygnet_write_extended_aad(job, storage);
        associated.before = storage;
        associated.before_length = 12;
    } else {
        // RFC 4303 §3.3.2.1: behind everything else, and never sent.
        cygnet_write_big_endian(storage, job->sequence_high);
        associated.after = storage;
        associated.after_length = 4;
    }
    return associated;
}

static int write_iv(const struct cygnet_packet_cipher *cipher, const struct cygnet_packet_job *job) {
    uint8_t *iv = job->esp + ESP_HEADER_LENGTH;
    if (cipher->kind != CYGNET_AES_CBC) {
        cygnet_write_sequence_iv(job, iv);
        return 1;
    }
    uint8_t block[16] = {0};
    int written = 0;
    cygnet_write_sequence_iv(job, block);
    return cipher->iv_maker != NULL
        && EVP_EncryptUpdate(cipher->iv_maker, iv, &written, block, sizeof block) == 1;
}

void cygnet_openssl_seal(
    struct cygnet_packet_cipher *cipher, struct cygnet_packet_job *jobs, size_t count,
    int keeps_iv) {
    for (size_t index = 0; index < count; index++) {
        struct cygnet_packet_job *job = &jobs[index];
        if (!cygnet_body_fits(cipher, job->body_length)) {
            job->status = CYGNET_PACKET_BAD_LENGTH;
            continue;
        }
        if (!keeps_iv && !write_iv(cipher, job)) {
            job->status = CYGNET_PACKET_LIBRARY_FAILURE;
            continue;
        }
        uint8_t storage[12];
        struct cygnet_evp_associated associated = associated_data(cipher, job, storage);
        job->status = cygnet_evp_cipher_seal(
            &cipher->evp, &associated, job->esp + ESP_HEADER_LENGTH, job->body_length);
    }
}

void cygnet_openssl_open(
    struct cygnet_packet_cipher *cipher, struct cygnet_packet_job *jobs, size_t count) {
    for (size_t index = 0; index < count; index++) {
        struct cygnet_packet_job *job = &jobs[index];
        if (!cygnet_body_fits(cipher, job->body_length)) {
            job->status = CYGNET_PACKET_BAD_LENGTH;
            continue;
        }
        uint8_t storage[12];
        struct cygnet_evp_associated associated = associated_data(cipher, job, storage);
        job->status = cygnet_evp_cipher_open(
            &cipher->evp, &associated, job->esp + ESP_HEADER_LENGTH, job->body_length);
    }
}
