internal import IPsecPrimitives

// Compressed packets on their way in (RFC 3173 §2): behind ESP or AH, before anything is looked at.
extension InboundProcessor {
    /// Octets that are kept for what a packet may become: more than most networks have in one. One that
    /// becomes longer finds what others have left.
    static let decompressionRoom = 2048

    /// What a packet of IPComp held: its octets, which lie in `decompression`, and what they are; nil where
    /// the packet must be dropped, which is counted.
    ///
    /// - Parameter most: octets that it may be.
    @inline(never)
    mutating func decompressed(
        _ bytes: UnsafeMutableRawPointer,
        available: Int,
        most: Int,
        _ association: UnsafeMutablePointer<InboundSA>
    ) -> (bytes: UnsafeMutableRawPointer, length: Int, nextHeader: UInt8)? {
        guard let deflate = decompression,
            unsafe association.pointee.compressionIndex != 0
        else {
            drops.count(.unexpectedNextHeader)
            return nil
        }
        // RFC 3173 §3.3: the flags are ignored. One packet within another would have no end.
        guard available > CompressionHeader.length,
            unsafe bytes.read16(2) == association.pointee.compressionIndex,
            unsafe bytes.read8(0) != CompressionHeader.ipProtocol
        else {
            drops.count(.decompressionFailed)
            return nil
        }
        let length = unsafe deflate.decompress(
            bytes + CompressionHeader.length,
            available &- CompressionHeader.length,
            most: most
        )
        guard length > 0 else {
            drops.count(.decompressionFailed)
            return nil
        }
        // The room that was kept for it is its own now. What is still to come must find its room.
        growthOctets &-= InboundProcessor.decompressionRoom
        guard coalescer.output.free &- OffloadHeader.length &- length >= octets &+ growthOctets
        else {
            drops.count(.batchOverflow)
            return nil
        }
        unsafe association.pointee.compressed.count(saved: length &- available)
        decompressedLength = length
        return unsafe (deflate.result, length, bytes.read8(0))
    }

    /// As `deliver`, for a packet of tunnel mode that came compressed.
    @inline(never)
    mutating func deliverCompressed(
        _ bytes: UnsafeMutableRawPointer,
        available: Int,
        outerTrafficClass: UInt8,
        _ association: UnsafeMutablePointer<InboundSA>
    ) {
        let whole = unsafe decompressed(
            bytes,
            available: available,
            most: InboundProcessor.largestPacket,
            association
        )
        guard let whole = unsafe whole else { return }
        unsafe deliver(
            whole.bytes,
            available: whole.length,
            nextHeader: whole.nextHeader,
            outerTrafficClass: outerTrafficClass,
            association
        )
    }

    /// As `deliverTransport`, for a packet that came compressed.
    @inline(never)
    mutating func deliverTransportCompressed(
        _ bytes: UnsafeMutableRawPointer,
        available: Int,
        _ buffer: Buffer,
        _ association: UnsafeMutablePointer<InboundSA>
    ) {
        let header = buffer.local.address.version == .v4 ? 20 : 40
        let whole = unsafe decompressed(
            bytes,
            available: available,
            most: InboundProcessor.largestPacket &- header,
            association
        )
        guard let whole = unsafe whole else { return }
        unsafe deliverTransport(
            whole.bytes,
            available: whole.length,
            nextHeader: whole.nextHeader,
            buffer,
            association
        )
    }
}
