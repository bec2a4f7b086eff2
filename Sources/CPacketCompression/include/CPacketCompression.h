#ifndef CYGNET_PACKET_COMPRESSION_H
#define CYGNET_PACKET_COMPRESSION_H
#include <stddef.h>

/// DEFLATE for IPComp (RFC 2394): each packet by itself, raw, without a header or checksum of zlib's. One
/// thread at a time may use it.
struct cygnet_packet_deflate;

/// Takes all memory that it will ever use. Null if there is none.
struct cygnet_packet_deflate *cygnet_packet_deflate_create(void);
void cygnet_packet_deflate_free(struct cygnet_packet_deflate *streams);

/// Compresses `length` octets. Returns how many it wrote, or 0 where it would have been more than `limit`.
size_t cygnet_packet_compress(
    struct cygnet_packet_deflate *streams, const void *bytes, size_t length, void *output, size_t limit);

/// Undoes it. Returns how many octets it wrote, or 0 where the input is no whole stream, holds nothing, has
/// something behind its end, or holds more than `limit`, of which no more is worked out.
size_t cygnet_packet_decompress(
    struct cygnet_packet_deflate *streams, const void *bytes, size_t length, void *output, size_t limit);
#endif
