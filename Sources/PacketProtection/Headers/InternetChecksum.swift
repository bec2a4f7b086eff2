/// The Internet checksum (RFC 1071).
///
/// Sums are of 16-bit words in the machine's own order and not yet folded: RFC 1071 §2 (B) shows
/// that the order of the octets does not matter as long as the result is stored the same way.
enum InternetChecksum {
    /// The sum of `count` octets; a last odd one is padded with zero.
    @inline(__always)
    static func sum(_ bytes: UnsafeMutableRawPointer, _ count: Int) -> UInt64 {
        var total = SIMD4<UInt64>()
        var offset = 0
        while offset &+ 32 <= count {
            let first = unsafe bytes.loadUnaligned(
                fromByteOffset: offset,
                as: SIMD4<UInt32>.self
            )
            let second = unsafe bytes.loadUnaligned(
                fromByteOffset: offset &+ 16,
                as: SIMD4<UInt32>.self
            )
            total &+= SIMD4<UInt64>(truncatingIfNeeded: first)
            total &+= SIMD4<UInt64>(truncatingIfNeeded: second)
            offset &+= 32
        }
        let rest = unsafe sumTail(bytes, from: offset, to: count)
        return total.wrappedSum() &+ rest
    }

    /// Copies `count` octets and sums them on the way.
    @inline(__always)
    static func copyAndSum(
        from source: UnsafeMutableRawPointer,
        to target: UnsafeMutableRawPointer,
        _ count: Int
    ) -> UInt64 {
        var total = SIMD4<UInt64>()
        var offset = 0
        while offset &+ 32 <= count {
            let first = unsafe source.loadUnaligned(
                fromByteOffset: offset,
                as: SIMD4<UInt32>.self
            )
            let second = unsafe source.loadUnaligned(
                fromByteOffset: offset &+ 16,
                as: SIMD4<UInt32>.self
            )
            unsafe target.storeBytes(of: first, toByteOffset: offset, as: SIMD4<UInt32>.self)
            unsafe target.storeBytes(
                of: second,
                toByteOffset: offset &+ 16,
                as: SIMD4<UInt32>.self
            )
            total &+= SIMD4<UInt64>(truncatingIfNeeded: first)
            total &+= SIMD4<UInt64>(truncatingIfNeeded: second)
            offset &+= 32
        }
        let rest = unsafe sumTail(source, from: offset, to: count)
        unsafe (target + offset).copyMemory(from: source + offset, byteCount: count &- offset)
        return total.wrappedSum() &+ rest
    }

    @inline(__always)
    private static func sumTail(
        _ bytes: UnsafeMutableRawPointer,
        from start: Int,
        to end: Int
    ) -> UInt64 {
        var total: UInt64 = 0
        var offset = start
        while offset &+ 4 <= end {
            let word = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
            total &+= UInt64(word)
            offset &+= 4
        }
        if offset &+ 2 <= end {
            total &+= UInt64(unsafe bytes.readNative16(offset))
            offset &+= 2
        }
        if offset < end {
            // The first octet of a word in network order, as this machine reads one.
            total &+= UInt64((UInt16(unsafe bytes.read8(offset)) << 8).bigEndian)
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
            ? unsafe sumTail(packet, from: 12, to: 20)
            : unsafe sumTail(packet, from: 8, to: 40)
        return addresses &+ UInt64(UInt16(ipProtocol).bigEndian)
            &+ UInt64(UInt16(truncatingIfNeeded: length).bigEndian)
    }

    /// Writes the header checksum of an IPv4 packet (RFC 791 §3.1).
    @inline(__always)
    static func setHeaderChecksum(_ packet: UnsafeMutableRawPointer, headerLength: Int) {
        unsafe packet.writeNative16(0, 10)
        let sum = unsafe sumTail(packet, from: 0, to: headerLength)
        unsafe packet.writeNative16(~fold(sum), 10)
    }

    /// Whether an IPv4 header sums up.
    @inline(__always)
    static func isHeaderValid(_ packet: UnsafeMutableRawPointer, headerLength: Int) -> Bool {
        unsafe fold(sumTail(packet, from: 0, to: headerLength)) == 0xffff
    }

    /// Corrects a checksum for a word that changes (RFC 1624 §3, equation 3). The words are in
    /// the machine's own order.
    @inline(__always)
    static func update(_ checksum: UInt16, from old: UInt16, to new: UInt16) -> UInt16 {
        ~fold(UInt64(~checksum) &+ UInt64(~old) &+ UInt64(new))
    }
}
