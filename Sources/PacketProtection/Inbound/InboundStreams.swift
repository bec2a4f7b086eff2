package import IPsecPrimitives

// ESP that came along a TCP connection (RFC 9329 §3.2).
extension InboundProcessor {
    /// Takes one ESP packet without its length. Where it came from is nothing that an SA follows, and
    /// what the outer headers said is not known of it (RFC 9329 §6.8, §9.5).
    package mutating func receiveStreamed(
        _ bytes: UnsafeMutableRawPointer,
        byteCount: Int,
        from source: Endpoint,
        to local: Endpoint,
        at now: Instant
    ) {
        guard bufferCount < maximumJobs else { return drops.count(.batchOverflow) }
        unsafe buffers[bufferCount] = Buffer(
            source: source,
            local: local,
            trafficClass: 0,
            carrier: .tcp,
            hopLimit: 0
        )
        bufferCount &+= 1
        unsafe enqueue(bytes, byteCount, at: now)
    }

    /// Packets so far that no SA of ours could have been sealed by: of unknown SPIs, of impossible
    /// lengths, and those that are not authentic. A stream that is out of step gives nothing else.
    package var strangePackets: UInt64 {
        drops.current(.unknownSPI) &+ drops.current(.authenticationFailed)
            &+ drops.current(.malformedESP)
    }
}
