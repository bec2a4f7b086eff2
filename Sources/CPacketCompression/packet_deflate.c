#include "CPacketCompression.h"

#include <stdlib.h>
#include <zlib.h>

// Packets are short: a window of 2 KiB and small tables are cleared quickly for each, and Linux has no larger
// window (crypto/deflate). What comes may use one of 32 KiB.
enum { WINDOW_BITS = 11, MEMORY_LEVEL = 5, LARGEST_WINDOW_BITS = 15 };
/// How much the streams ask for is the library's affair: zlib takes 26 KiB to compress and 40 KiB to
/// decompress, of these the window with the first packet that needs it; other makes take several times that.
enum { LEAST_ARENA = 32 << 10, LARGEST_ARENA = 8 << 20, LATE_WINDOW = 36 << 10 };

struct cygnet_packet_deflate {
    z_stream compressor;
    z_stream decompressor;
    size_t room;
    size_t used;
    _Alignas(16) unsigned char arena[];
};

/// Memory that is never given back before all of it is: nothing is taken for a packet.
static voidpf take(voidpf opaque, uInt items, uInt size) {
    struct cygnet_packet_deflate *streams = opaque;
    size_t octets = ((size_t)items * size + 15) & ~(size_t)15;
    if (octets > streams->room - streams->used) {
        return Z_NULL;
    }
    unsigned char *memory = streams->arena + streams->used;
    streams->used += octets;
    return memory;
}

static void give_back(voidpf opaque, voidpf address) {
    (void)opaque, (void)address;
}

static void prepare(z_stream *stream, struct cygnet_packet_deflate *streams) {
    stream->zalloc = take;
    stream->zfree = give_back;
    stream->opaque = streams;
}

/// Null where so many octets are not there, or not enough.
static struct cygnet_packet_deflate *create_within(size_t room) {
    struct cygnet_packet_deflate *streams = calloc(1, sizeof *streams + room);
    if (streams == NULL) {
        return NULL;
    }
    streams->room = room;
    prepare(&streams->compressor, streams);
    prepare(&streams->decompressor, streams);
    if (deflateInit2(&streams->compressor, Z_BEST_SPEED, Z_DEFLATED, -WINDOW_BITS, MEMORY_LEVEL,
            Z_DEFAULT_STRATEGY) != Z_OK
        || inflateInit2(&streams->decompressor, -LARGEST_WINDOW_BITS) != Z_OK
        || streams->room - streams->used < LATE_WINDOW) {
        free(streams);
        return NULL;
    }
    return streams;
}

struct cygnet_packet_deflate *cygnet_packet_deflate_create(void) {
    for (size_t room = LEAST_ARENA; room <= LARGEST_ARENA; room *= 2) {
        struct cygnet_packet_deflate *streams = create_within(room);
        if (streams != NULL) {
            return streams;
        }
    }
    return NULL;
}

void cygnet_packet_deflate_free(struct cygnet_packet_deflate *streams) {
    free(streams);
}

static void point(
    z_stream *stream, const void *bytes, size_t length, void *output, size_t limit) {
    stream->next_in = (z_const Bytef *)bytes;
    stream->avail_in = (uInt)length;
    stream->next_out = output;
    stream->avail_out = (uInt)limit;
}

size_t cygnet_packet_compress(
    struct cygnet_packet_deflate *streams, const void *bytes, size_t length, void *output, size_t limit) {
    z_stream *stream = &streams->compressor;
    if (limit == 0 || deflateReset(stream) != Z_OK) {
        return 0;
    }
    point(stream, bytes, length, output, limit);
    return deflate(stream, Z_FINISH) == Z_STREAM_END ? limit - stream->avail_out : 0;
}

size_t cygnet_packet_decompress(
    struct cygnet_packet_deflate *streams, const void *bytes, size_t length, void *output, size_t limit) {
    z_stream *stream = &streams->decompressor;
    if (limit == 0 || inflateReset(stream) != Z_OK) {
        return 0;
    }
    point(stream, bytes, length, output, limit);
    if (inflate(stream, Z_FINISH) != Z_STREAM_END || stream->avail_in != 0) {
        return 0;
    }
    return limit - stream->avail_out;
}
