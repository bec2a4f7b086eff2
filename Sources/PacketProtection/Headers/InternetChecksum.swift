internal import CInternetChecksum

/// The Internet checksum (RFC 1071).
///
/// Sums are of 16-bit words in the machine's own order and not yet folded: RFC 1071 §2 (B) shows
/// that the order of the octets does not matter as long as the result is stored the same way.
enum InternetChecksum {
    /// The sum of `count` octets, however many; a last odd one is padded with zero.
    @inline(__always)
    static func sum(_ bytes: UnsafeMutableRawPointer, _ count: Int) -> UInt64 {
        unsafe cygnet_internet_sum(bytes, count)
    }

    /// The sum of the few octets of a header, without a call. Precondition: `count` is a multiple
    /// of four.
    @inline(__always)
    static func headerSum(_ bytes: UnsafeMutableRawPointer, _ count: Int) -> UInt64 {
        unsafe sumWords(bytes, from: 0, to: count)
    }

    /// Copies `count` octets and sums them on the way.
    @inline(__always)
    static func copyAndSum(
        from source: UnsafeMutableRawPointer,
        to target: UnsafeMutableRawPointer,
        _ count: Int
    ) -> UInt64 {
        unsafe cygnet_internet_copy_and_sum(target, source, count)
    }

    @inline(__always)
    private static func sumWords(
        _ bytes: UnsafeMutableRawPointer,
        from start: Int,
        to end: Int
    ) -> UInt64 {
        var total: UInt64 = 0
        var offset = start
        while offset < end {
            let word = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
            total &+= UInt64(word)
            offset &+= 4
        }
        return total
    }

    /// The sum in 16 bits, not inverted.
    @inline(__always)
    static func fold(_ sum: UInt64) -> UInt16 {
        var value = (sum & 0xffff_ffff) &+ (sum >> 32)
        value = (value & 0xffff) &+ (value >> 16)
        value = (value & 0xffff) &+ (value >> 16)
        value = (value & 0xffff) &+ (value >> 16)
        return UInt16(truncatingIfNeeded: value)
    }

    /// The sum of a pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1) for a packet without extension
    /// headers between.
    @inline(__always)
    static func pseudoHeaderSum(
        _ packet: UnsafeMutableRawPointer,
        isV4: Bool,
        ipProtocol: UInt8,
        length: Int
    ) -> UInt64 {
        let addresses =
            isV4
            ? unsafe sumWords(packet, from: 12, to: 20)
            : unsafe sumWords(packet, from: 8, to: 40)
        return addresses &+ UInt64(UInt16(ipProtocol).bigEndian)
            &+ UInt64(UInt16(truncatingIfNeeded: length).bigEndian)
    }

    /// Writes the header checksum of an IPv4 packet (RFC 791 §3.1).
    @inline(__always)
    static func setHeaderChecksum(_ packet: UnsafeMutableRawPointer, headerLength: Int) {
        unsafe packet.writeNative16(0, 10)
        let sum = unsafe sumWords(packet, from: 0, to: headerLength)
        unsafe packet.writeNative16(~fold(sum), 10)
    }

    /// Whether an IPv4 header sums up.
    @inline(__always)
    static func isHeaderValid(_ packet: UnsafeMutableRawPointer, headerLength: Int) -> Bool {
        unsafe fold(sumWords(packet, from: 0, to: headerLength)) == 0xffff
    }

    /// Corrects a checksum for a word that changes (RFC 1624 §3, equation 3). The words are in
    /// the machine's own order.
    @inline(__always)
    static func update(_ checksum: UInt16, from old: UInt16, to new: UInt16) -> UInt16 {
        ~fold(UInt64(~checksum) &+ UInt64(~old) &+ UInt64(new))
    }
}
