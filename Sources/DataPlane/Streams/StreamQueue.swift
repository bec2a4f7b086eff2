internal import Glibc
internal import IPsecPrimitives

/// What waits to go out along one TCP connection: whole messages, each behind its length
/// (RFC 9329 §3).
///
/// What the kernel does not take waits here, and ESP that waits too long would only grow old: senders
/// inside would see delay where they should see loss, and send ever more of it (RFC 9329 §9.1). So a
/// burst may wait, but where the queue has not been empty for a while, far less may.
@safe struct StreamQueue: ~Copyable {
    /// Octets of ESP that may wait for a moment: a few of the largest batches.
    static let burstLimit = 1 << 18
    /// Octets of ESP that may wait where some have waited for longer.
    static let standingLimit = 1 << 16
    static let patience = Duration.milliseconds(100)
    /// Room for IKE beyond that of ESP.
    static let messageRoom = 1 << 17
    private static let capacity = burstLimit + messageRoom
    private static let lengthOctets = 2

    /// None until something is to be sent.
    private var memory: UnsafeMutableRawPointer?
    private var start = 0
    private var end = 0
    /// Since when the queue has not been empty after a flush.
    private var standingSince: Instant?
    private var lastUse = Instant.origin

    enum Flush: Equatable {
        case drained
        /// The kernel takes no more for now.
        case blocked
        case gone
    }

    init() { unsafe memory = nil }

    deinit { unsafe memory?.deallocate() }

    var count: Int { end - start }

    /// Appends a packet behind its length; false when it must not wait.
    mutating func append(
        packet: UnsafeRawPointer,
        count size: Int,
        at now: Instant
    ) -> Bool {
        let waiting = end &- start
        let needed = size &+ StreamQueue.lengthOctets
        // RFC 9329 §3: the length has 16 bits.
        guard waiting &+ needed <= limit(at: now), needed <= Int(UInt16.max) else { return false }
        let place = unsafe room(for: needed)
        unsafe place.storeBytes(of: UInt16(truncatingIfNeeded: needed).bigEndian, as: UInt16.self)
        unsafe (place + StreamQueue.lengthOctets).copyMemory(from: packet, byteCount: size)
        end &+= needed
        lastUse = now
        return true
    }

    /// Appends octets that are framed; false when there is no room at all.
    mutating func append(_ octets: [UInt8], at now: Instant) -> Bool {
        guard count + octets.count <= StreamQueue.capacity else { return false }
        let place = unsafe room(for: octets.count)
        unsafe octets.withUnsafeBytes { source in
            guard let base = source.baseAddress else { return }
            unsafe place.copyMemory(from: base, byteCount: source.count)
        }
        end += octets.count
        lastUse = now
        return true
    }

    private func limit(at now: Instant) -> Int {
        guard let standingSince, now - standingSince > StreamQueue.patience else {
            return StreamQueue.burstLimit
        }
        return StreamQueue.standingLimit
    }

    /// Where so many octets may be written; whoever asks has seen that they fit.
    private mutating func room(for size: Int) -> UnsafeMutableRawPointer {
        let base = unsafe memory ?? allocate()
        if end &+ size > StreamQueue.capacity {
            unsafe base.copyMemory(from: base + start, byteCount: end &- start)
            end &-= start
            start = 0
        }
        return unsafe base + end
    }

    @inline(never)
    private mutating func allocate() -> UnsafeMutableRawPointer {
        let fresh = UnsafeMutableRawPointer.allocate(
            byteCount: StreamQueue.capacity,
            alignment: 64
        )
        unsafe memory = unsafe fresh
        return unsafe fresh
    }

    /// Hands the kernel what it takes.
    mutating func flush(to file: Int32, at now: Instant) -> Flush {
        guard let memory = unsafe memory else { return .drained }
        while start < end {
            let sent = unsafe send(file, memory + start, end - start, Int32(MSG_NOSIGNAL))
            if sent > 0 {
                start += sent
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                if standingSince == nil { standingSince = now }
                return .blocked
            default: return .gone
            }
        }
        start = 0
        end = 0
        standingSince = nil
        return .drained
    }

    /// Gives memory back that nothing has needed for a while.
    mutating func trim(at now: Instant) {
        guard start == end, now - lastUse > .seconds(10) else { return }
        unsafe memory?.deallocate()
        unsafe memory = nil
    }
}
