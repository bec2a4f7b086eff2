/// The one packet that lies ready to be compressed. Whoever makes packets writes them here rather than
/// into the batch; how long they are there shows only when they are whole.
@safe struct CompressionStage {
    let deflate: PacketDeflate
    let bytes: UnsafeMutableRawPointer
    /// Octets that lie ready; 0 where none do.
    var length = 0
    var outer = OutboundProcessor.Outer(
        slot: 0,
        nextHeader: 0,
        trafficClass: 0,
        dontFragment: false,
        limit: 0
    )
    /// When it came, in nanoseconds.
    var time: UInt64 = 0

    init() {
        deflate = PacketDeflate()
        unsafe bytes = .allocate(byteCount: PacketDeflate.limit + 1, alignment: 64)
    }

    func release() {
        deflate.release()
        unsafe bytes.deallocate()
    }
}

// Compression of packets on their way out (RFC 3173 §2): before ESP, each packet by itself.
extension OutboundProcessor {
    /// As `begin`, for an SA that compresses: the packet is to be written to the stage.
    @inline(never)
    mutating func beginCompressed(
        _ length: Int,
        _ outer: Outer,
        at now: UInt64
    ) -> UnsafeMutableRawPointer? {
        flushCompression()
        // A header that is written before ESP is right for one length only.
        guard outer.prefix == 0, length > 0, length <= PacketDeflate.limit,
            compression != nil
        else { return unsafe beginEncapsulated(length, outer, at: now) }
        compression?.length = length
        compression?.outer = outer
        compression?.time = now
        isCompressing = true
        return unsafe compression?.bytes
    }

    /// Sends what lies on the stage.
    @inline(never)
    mutating func flushCompression() {
        guard isCompressing, let stage = compression else { return }
        isCompressing = false
        compression?.length = 0
        let association = unsafe associations.elements + stage.outer.slot
        let index = unsafe association.pointee.compressionIndex
        var compressed = 0
        if unsafe association.pointee.trials.isWorthwhile(stage.length) {
            // RFC 3173 §2.2: header and all must be smaller than what it was.
            compressed = unsafe stage.deflate.compress(
                stage.bytes,
                stage.length,
                most: stage.length &- CompressionHeader.length &- 1
            )
            if compressed > 0 {
                unsafe association.pointee.trials.succeeded()
            } else {
                unsafe association.pointee.trials.failed()
            }
        }
        guard compressed > 0 else {
            let place = unsafe beginEncapsulated(stage.length, stage.outer, at: stage.time)
            unsafe place?.copyMemory(from: stage.bytes, byteCount: stage.length)
            return
        }
        let whole = compressed &+ CompressionHeader.length
        let outer = stage.outer.carrying(CompressionHeader.ipProtocol)
        guard let place = unsafe beginEncapsulated(whole, outer, at: stage.time) else { return }
        unsafe CompressionHeader.write(
            to: place,
            nextHeader: stage.outer.nextHeader,
            index: index
        )
        unsafe (place + CompressionHeader.length).copyMemory(
            from: stage.deflate.result,
            byteCount: compressed
        )
        unsafe association.pointee.compressed.count(saved: stage.length &- whole)
    }
}
