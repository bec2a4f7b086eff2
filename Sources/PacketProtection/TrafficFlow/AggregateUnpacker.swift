internal import IPsecPrimitives

/// The receiving end of AGGFRAG: payloads in whatever order they come, inner packets in the order
/// they were sent (RFC 9347 §2.2.3, §2.5).
///
/// A payload that comes too early waits in a window of fixed size; one that is missing is waited for
/// until the window has moved by it or its time is over. What began in a payload that is missing is
/// lost, and the next packet is found by BlockOffset. Each `accept` is followed by `next` until that
/// gives nothing more.
@safe struct AggregateUnpacker: ~Copyable {
    /// An inner packet; its octets are there until the next call.
    @unsafe struct Packet {
        var start: UnsafeMutableRawPointer
        var octets: Int
        var isV4: Bool
    }

    enum Refusal: Equatable {
        /// It was given up already.
        case late
        /// It cannot wait for what is missing before it: empty, or too long.
        case unfit
    }

    private struct Waiting {
        var sequence: UInt64
        /// 0: the place is free.
        var octets: Int
        var since: UInt64
    }

    private let window: Int
    private let lossTimeout: UInt64
    private let places: UnsafeMutablePointer<Waiting>
    private let memory: UnsafeMutableRawPointer
    /// Octets of a payload that may wait.
    private let placeOctets: Int
    private var waitingCount = 0
    /// The number that is to come next.
    private var expected: UInt64
    /// Below it nothing is waited for.
    private var floor: UInt64 = 0
    /// A payload that moves the window, until what is before it is dealt with.
    private var coming: UnsafeMutableRawPointer?
    private var comingOctets = 0
    private var comingSequence: UInt64 = 0
    private var comingSince: UInt64 = 0

    /// The data blocks that are being read.
    private var blocks: UnsafeMutableRawPointer?
    private var position = 0
    private var end = 0

    /// A packet that is being put together.
    private let assembly: UnsafeMutableRawPointer
    private var assembled = 0
    /// Of the whole packet; 0 while too little of it is there to know.
    private var assemblyOctets = 0

    private(set) var packets: UInt64 = 0
    /// Outer packets that never came, or too late.
    private(set) var missing: UInt64 = 0
    /// Inner packets whose rest never came.
    private(set) var incomplete: UInt64 = 0
    /// Payloads, or rests of payloads, that make no sense.
    private(set) var malformed: UInt64 = 0
    private(set) var paddingOctets: UInt64 = 0

    /// - Parameters:
    ///   - next: the number of the first outer packet that is waited for.
    ///   - payloadOctets: of payloads that may wait for others.
    init(_ parameters: ReassemblyParameters, next: UInt64, payloadOctets: Int) {
        window = min(
            max(parameters.reorderWindow, 0),
            ReassemblyParameters.reorderWindowRange.upperBound
        )
        lossTimeout = UInt64(max(parameters.lossTimeout.wholeNanoseconds, 0))
        expected = next
        placeOctets = payloadOctets
        unsafe places = .allocate(capacity: window + 1)
        unsafe places.initialize(
            repeating: Waiting(sequence: 0, octets: 0, since: 0),
            count: window + 1
        )
        unsafe memory = .allocate(byteCount: (window + 1) * payloadOctets, alignment: 64)
        unsafe assembly = .allocate(byteCount: DataBlock.largestPacket, alignment: 64)
    }

    deinit {
        unsafe places.deallocate()
        unsafe memory.deallocate()
        unsafe assembly.deallocate()
    }

    /// When what waits is waited for no longer, in nanoseconds; `max` where nothing waits.
    var deadline: UInt64 {
        guard waitingCount > 0 else { return .max }
        let (sum, overflow) = unsafe places[lowestWaiting].since
            .addingReportingOverflow(lossTimeout)
        return overflow ? .max : sum
    }

    /// Takes the payload of an authentic packet that is new. Its octets must stay until `next` has
    /// given all. Precondition: `next` has given all of what came before.
    mutating func accept(
        _ payload: UnsafeMutableRawPointer,
        count: Int,
        sequence: UInt64,
        at now: UInt64
    ) -> Refusal? {
        guard sequence >= expected else { return .late }
        if sequence == expected {
            expected &+= 1
            unsafe begin(payload, count: count)
            return nil
        }
        guard count > 0, count <= placeOctets || window == 0 else { return .unfit }
        if sequence - expected > UInt64(window) { floor = sequence - UInt64(window) }
        unsafe coming = payload
        comingOctets = count
        comingSequence = sequence
        comingSince = now
        return nil
    }

    /// Gives up what is missing for too long; `next` then gives what had to wait for it.
    mutating func giveUp(at now: UInt64) {
        guard deadline <= now else { return }
        floor = unsafe places[lowestWaiting].sequence
    }

    /// The next inner packet, while there is one.
    mutating func next() -> Packet? {
        while true {
            if let packet = unsafe takeBlock() {
                packets += 1
                return unsafe packet
            }
            guard advance() else { return nil }
        }
    }

    // MARK: The order of payloads

    private var lowestWaiting: Int {
        var lowest = -1
        for index in 0...window where unsafe places[index].octets > 0 {
            if lowest < 0 || (unsafe places[index].sequence < places[lowest].sequence) {
                lowest = index
            }
        }
        return max(lowest, 0)
    }

    private func place(of sequence: UInt64) -> Int { Int(sequence % UInt64(window + 1)) }

    /// Turns to the next payload that may be read; false where there is none.
    private mutating func advance() -> Bool {
        while true {
            let place = place(of: expected)
            if waitingCount > 0, unsafe places[place].octets > 0,
                unsafe places[place].sequence == expected
            {
                let count = unsafe places[place].octets
                unsafe places[place].octets = 0
                waitingCount -= 1
                expected &+= 1
                unsafe begin(memory + place * placeOctets, count: count)
                return true
            }
            if expected < floor {
                lose(to: floor)
                continue
            }
            guard let payload = unsafe coming else { return false }
            unsafe coming = nil
            if comingSequence == expected {
                expected &+= 1
                unsafe begin(payload, count: comingOctets)
                return true
            }
            unsafe keep(payload)
        }
    }

    /// Gives up all that is missing below `bound`, as far as to the first that is there.
    private mutating func lose(to bound: UInt64) {
        var target = bound
        if waitingCount > 0 { target = unsafe min(bound, places[lowestWaiting].sequence) }
        missing &+= target - expected
        expected = target
        abandon()
    }

    private mutating func keep(_ payload: UnsafeMutableRawPointer) {
        let place = place(of: comingSequence)
        // It may be there already, where nothing keeps copies away.
        if unsafe places[place].octets == 0 { waitingCount += 1 }
        unsafe (memory + place * placeOctets).copyMemory(from: payload, byteCount: comingOctets)
        unsafe places[place] = Waiting(
            sequence: comingSequence,
            octets: comingOctets,
            since: comingSince
        )
    }

    // MARK: Data blocks

    private mutating func begin(_ payload: UnsafeMutableRawPointer, count: Int) {
        unsafe blocks = nil
        guard let header = unsafe AggregateHeader(payload, count: count) else {
            malformed += 1
            return abandon()
        }
        let size = count - header.octets
        // RFC 9347 §2.2.4: nothing but what it says of congestion.
        if size == 0 { return }
        let data = unsafe payload + header.octets
        // RFC 9347 §2.2.3: an all-pad payload may come between the parts of a packet.
        if header.blockOffset == 0, unsafe DataBlock(data, count: size) == .padding {
            paddingOctets &+= UInt64(size)
            return
        }
        unsafe blocks = data
        position = 0
        end = size
        continueAssembly(header.blockOffset)
    }

    /// What belongs to the packet that began before.
    private mutating func continueAssembly(_ offset: Int) {
        guard assembled > 0, let blocks = unsafe blocks else {
            // The rest of a packet whose beginning is lost.
            position = min(offset, end)
            return
        }
        let total = assemblyOctets > 0 ? assemblyOctets : assembled + offset
        // RFC 9347 §2.5: offsets that do not agree with the packet.
        guard offset > 0, total - assembled == offset, total <= DataBlock.largestPacket else {
            malformed += 1
            abandon()
            position = min(offset, end)
            return
        }
        assemblyOctets = total
        let part = min(offset, end)
        unsafe (assembly + assembled).copyMemory(from: blocks, byteCount: part)
        assembled += part
        position = part
    }

    private mutating func abandon() {
        if assembled > 0 { incomplete += 1 }
        assembled = 0
        assemblyOctets = 0
    }

    /// The next packet of the payload that is being read, or the one that it completed.
    private mutating func takeBlock() -> Packet? {
        if assembled > 0, assembled == assemblyOctets {
            return unsafe takeAssembled() ?? takeBlock()
        }
        guard let blocks = unsafe blocks, position < end else {
            unsafe self.blocks = nil
            return nil
        }
        let start = unsafe blocks + position
        let left = end - position
        switch unsafe DataBlock(start, count: left) {
        case .padding:
            paddingOctets &+= UInt64(left)
        case .malformed:
            malformed += 1
        case .unknown:
            unsafe beginAssembly(start, left, octets: 0)
        case .packet(let octets, let isV4):
            guard octets > left else {
                position += octets
                return unsafe Packet(start: start, octets: octets, isV4: isV4)
            }
            unsafe beginAssembly(start, left, octets: octets)
        }
        unsafe self.blocks = nil
        return nil
    }

    private mutating func beginAssembly(
        _ start: UnsafeMutableRawPointer,
        _ count: Int,
        octets: Int
    ) {
        unsafe assembly.copyMemory(from: start, byteCount: count)
        assembled = count
        assemblyOctets = octets
    }

    /// The packet that is whole now; nil where its own length turns out to be another.
    private mutating func takeAssembled() -> Packet? {
        let count = assembled
        assembled = 0
        assemblyOctets = 0
        guard case .packet(count, let isV4) = unsafe DataBlock(assembly, count: count) else {
            malformed += 1
            return nil
        }
        return unsafe Packet(start: assembly, octets: count, isV4: isV4)
    }
}
