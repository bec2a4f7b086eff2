internal import CPacketCompression

/// The streams of DEFLATE that one direction of a worker works with, and where their results lie. All memory
/// is taken when the first SA with compression comes; nothing for a packet. The owner releases.
@safe struct PacketDeflate {
    /// RFC 791 §3.1: no IP packet is longer, and nothing that was compressed may become more.
    static let limit = 65_535

    private let streams: OpaquePointer
    /// Room for what was compressed, or for what it was made from again.
    let result: UnsafeMutableRawPointer

    init() {
        guard let streams = unsafe cygnet_packet_deflate_create() else {
            // As for every other allocation of the packet path.
            fatalError("out of memory")
        }
        unsafe self.streams = streams
        unsafe result = .allocate(byteCount: PacketDeflate.limit + 1, alignment: 64)
    }

    func release() {
        unsafe cygnet_packet_deflate_free(streams)
        unsafe result.deallocate()
    }

    /// Octets in `result`; 0 where they would be more than `most`.
    func compress(_ bytes: UnsafeRawPointer, _ length: Int, most: Int) -> Int {
        unsafe cygnet_packet_compress(
            streams,
            bytes,
            length,
            result,
            min(most, PacketDeflate.limit)
        )
    }

    /// Octets in `result`; 0 where it is no whole stream, or one of more than `most` octets.
    func decompress(_ bytes: UnsafeRawPointer, _ length: Int, most: Int) -> Int {
        unsafe cygnet_packet_decompress(
            streams,
            bytes,
            length,
            result,
            min(most, PacketDeflate.limit)
        )
    }
}
