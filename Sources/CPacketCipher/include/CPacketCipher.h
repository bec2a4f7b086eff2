#ifndef CYGNET_CPACKETCIPHER_H
#define CYGNET_CPACKETCIPHER_H
#include "cygnet_authenticator.h"
#include "cygnet_mac.h"
#include "cygnet_table_memory.h"
#include <stddef.h>
#include <stdint.h>

enum cygnet_cipher_kind {
    CYGNET_AES_GCM = 1,
    CYGNET_CHACHA20_POLY1305 = 2,
    CYGNET_AES_CBC = 3,
    CYGNET_AES_CTR = 4,
    CYGNET_AES_CCM = 5,
    CYGNET_TRIPLE_DES_CBC = 6,
    /// ESP that authenticates and does not encrypt: RFC 2410 with a MAC, and RFC 4543.
    CYGNET_NULL = 7,
    CYGNET_AES_GMAC = 8,
};

/// A suite and its keys. The pointers are read during the call only.
struct cygnet_cipher_parameters {
    uint32_t kind;
    /// Octets of the cipher's own key: 16, 24 or 32; none for NULL.
    uint32_t key_length;
    /// Octets of salt or nonce behind it, four at most.
    uint32_t salt_length;
    /// Octets of IV on the wire; zero where it is implicit (RFC 8750) or the cipher has none.
    uint32_t iv_length;
    /// What the length of a body must be a multiple of for the cipher to work on it.
    uint32_t block_length;
    /// `CYGNET_HASH_NONE` for the AEADs.
    uint32_t hash;
    uint32_t icv_length;
    /// The cipher's key, and salt or nonce behind it.
    const uint8_t *encryption_key;
    const uint8_t *integrity_key;
    uint32_t integrity_key_length;
    /// Whether packets are sealed with this key, not opened.
    uint32_t seals;
    /// Whether the SA has 64-bit sequence numbers (RFC 4303 §2.2.1).
    uint32_t extended_sequence;
    /// What makes unpredictable IVs others than those of before where the same keys serve again after
    /// a restart; of no length where keys are fresh.
    const uint8_t *iv_seed;
    uint32_t iv_seed_length;
};

/// What became of a packet or message.
enum cygnet_packet_status {
    CYGNET_PACKET_OK = 0,
    /// The ICV does not match. The body's content is then undefined.
    CYGNET_PACKET_AUTHENTICATION_FAILED = 1,
    /// The body has a length that the cipher cannot work on; nothing was touched.
    CYGNET_PACKET_BAD_LENGTH = 2,
    /// The library refused; the packet must be dropped.
    CYGNET_PACKET_LIBRARY_FAILURE = 3,
};

/// One ESP packet to seal or open in place.
struct cygnet_packet_job {
    /// The ESP header: SPI, sequence number, IV, body and ICV lie behind one another from here.
    uint8_t *esp;
    /// Octets between IV and ICV: payload, padding, pad length and next header (RFC 4303 §2).
    uint32_t body_length;
    /// The high half of the sequence number; zero where the SA has 32-bit numbers.
    uint32_t sequence_high;
    /// One of `enum cygnet_packet_status`.
    uint32_t status;
};

enum cygnet_back_end {
    CYGNET_BACK_END_MULTI_BUFFER = 1,
    CYGNET_BACK_END_OPENSSL = 2,
};

/// Whether the multi-buffer library is compiled in and this processor has what it needs.
int cygnet_has_multi_buffer(void);

/// Whether that library does the suite of these parameters, on this processor.
int cygnet_multi_buffer_does(const struct cygnet_cipher_parameters *parameters);

/// One direction of one SA: expanded keys and what the back end wants besides. One thread at a
/// time may use it.
struct cygnet_packet_cipher;

/// Null if the back end is missing, the parameters make no suite or memory ran out.
struct cygnet_packet_cipher *cygnet_packet_cipher_create(
    const struct cygnet_cipher_parameters *parameters, uint32_t back_end);
/// Wipes the keys.
void cygnet_packet_cipher_free(struct cygnet_packet_cipher *cipher);

/// Where most of the memory lies that sealing or opening a packet reads.
struct cygnet_packet_keys {
    const void *cipher;
    const void *start;
    size_t octets;
};
struct cygnet_packet_keys cygnet_packet_cipher_keys(const struct cygnet_packet_cipher *cipher);

/// Asks the processor for memory that will be read soon.
static inline void cygnet_prefetch(const void *start, size_t octets) {
    const char *memory = start;
    for (size_t offset = 0; offset < octets; offset += 64) {
        __builtin_prefetch(memory + offset);
    }
}

/// Lets the processor's other half have its way while this one looks at one place again and again.
static inline void cygnet_relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// Fills in IV, ciphertext, ICV and status of each job. SPI, sequence number and body must be in
/// place, and with `keeps_iv`, which is for test vectors, the IV as well.
void cygnet_packet_cipher_seal(
    struct cygnet_packet_cipher *cipher, struct cygnet_packet_job *jobs, size_t count,
    int keeps_iv);
/// Verifies and decrypts each job and fills in its status.
void cygnet_packet_cipher_open(
    struct cygnet_packet_cipher *cipher, struct cygnet_packet_job *jobs, size_t count);

/// Seals one Encrypted payload in place: `content` is IV, `body_length` octets of plaintext and
/// room for the ICV. Returns a packet status.
uint32_t cygnet_message_seal(
    const struct cygnet_cipher_parameters *parameters, const uint8_t *associated_data,
    size_t associated_length, uint8_t *content, size_t body_length);
/// Opens one Encrypted payload in place; the plaintext stands behind the IV. Returns a packet
/// status.
uint32_t cygnet_message_open(
    const struct cygnet_cipher_parameters *parameters, const uint8_t *associated_data,
    size_t associated_length, uint8_t *content, size_t body_length);

#endif
