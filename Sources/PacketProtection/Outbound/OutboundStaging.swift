internal import CPacketCipher
internal import IPsecPrimitives

/// Small packets that were read and not looked at yet, so that what each needs from memory (its flow,
/// its SA, the SA's keys) is on its way while the others are read.
@safe struct StagedReads: ~Copyable {
    static let capacity = 16
    /// Larger ones are worth their wait.
    static let largestRead = 2048
    /// What one of them takes at most in the batch, and in jobs when it is cut into fragments.
    static let octetsPerRead = largestRead + 512
    static let jobsPerRead = 4

    private let memory: UnsafeMutableRawPointer
    private let byteCounts: UnsafeMutablePointer<Int>
    private let devices: UnsafeMutablePointer<UInt16>
    private(set) var count = 0

    private static let stride = largestRead + 64

    init() {
        unsafe memory = .allocate(
            byteCount: StagedReads.capacity * StagedReads.stride,
            alignment: 64
        )
        unsafe byteCounts = .allocate(capacity: StagedReads.capacity)
        unsafe devices = .allocate(capacity: StagedReads.capacity)
    }

    deinit {
        unsafe memory.deallocate()
        unsafe byteCounts.deallocate()
        unsafe devices.deallocate()
    }

    var isFull: Bool { count == StagedReads.capacity }

    /// A frame, as it lay in the read buffer. Precondition: `index` is below `count`.
    @inline(__always)
    func frame(_ index: Int) -> UnsafeMutableRawPointer {
        // The packet itself begins on a boundary of 16 octets.
        unsafe memory + (index &* StagedReads.stride &+ 6)
    }

    @inline(__always)
    func byteCount(_ index: Int) -> Int { unsafe byteCounts[index] }

    @inline(__always)
    func device(_ index: Int) -> UInt16 { unsafe devices[index] }

    /// Copies a frame. Precondition: there is room, and it is no larger than `largestRead`.
    @inline(__always)
    mutating func append(_ bytes: UnsafeMutableRawPointer, byteCount: Int, device: UInt16) {
        unsafe frame(count).copyMemory(from: bytes, byteCount: byteCount)
        unsafe byteCounts[count] = byteCount
        unsafe devices[count] = device
        count &+= 1
    }

    mutating func removeAll() { count = 0 }
}

// Where the SAs are so many that the processor's caches do not hold them, packets go in two steps.
extension OutboundProcessor {
    var isCrowded: Bool { associations.count > crowd }

    /// Takes a small frame into the stage, and what is there through the rest when it is full.
    @inline(never)
    mutating func stage(
        _ frame: UnsafeMutableRawPointer,
        byteCount: Int,
        device: UInt16,
        at now: UInt64
    ) {
        unsafe staged.append(frame, byteCount: byteCount, device: device)
        if let packet = unsafe innerPacket(of: frame, byteCount: byteCount, device: device) {
            cache.prefetch(packet)
        }
        if staged.isFull { processStaged(at: now) }
    }

    @inline(never)
    mutating func processStaged(at now: UInt64) {
        let count = staged.count
        for index in 0..<count {
            let packet = unsafe innerPacket(
                of: staged.frame(index),
                byteCount: staged.byteCount(index),
                device: staged.device(index)
            )
            guard let packet else { continue }
            let decision = decide(packet)
            guard decision.kind == .protect else { continue }
            associations.prefetch(Int(decision.slot))
            keys.prefetchPlace(Int(decision.slot))
        }
        for index in 0..<count {
            unsafe process(
                staged.frame(index),
                byteCount: staged.byteCount(index),
                device: staged.device(index),
                at: now
            )
        }
        staged.removeAll()
    }
}
