#ifndef CYGNET_CPACKETCIPHER_H
#define CYGNET_CPACKETCIPHER_H
#include <stdint.h>

/// One ESP packet to seal or open in place.
struct cygnet_packet_job {
    /// The ESP header: SPI, sequence number, IV, body and ICV lie behind one another from here.
    uint8_t *esp;
    /// Octets between IV and ICV: payload, padding, pad length and next header (RFC 4303 §2).
    uint32_t body_length;
    /// The high half of the sequence number; zero where the SA has 32-bit numbers.
    uint32_t sequence_high;
    /// What became of it: one of `enum cygnet_packet_status`.
    uint32_t status;
};

enum cygnet_packet_status {
    CYGNET_PACKET_OK = 0,
    /// The ICV does not match. The body's content is then undefined.
    CYGNET_PACKET_AUTHENTICATION_FAILED = 1,
    /// The body has a length that the cipher cannot work on; nothing was touched.
    CYGNET_PACKET_BAD_LENGTH = 2,
    /// The library refused; the packet must be dropped.
    CYGNET_PACKET_LIBRARY_FAILURE = 3,
};

#endif
