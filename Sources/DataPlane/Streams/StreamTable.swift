internal import Glibc
internal import IPsecPrimitives
internal import LinuxIO
internal import PacketProtection

/// The TCP connections that a worker carries (RFC 9329), by small indices.
///
/// Control hands a connection over once it has seen an authentic IKE message along it, so that
/// strangers have no part of this.
@safe struct StreamTable: ~Copyable {
    /// One connection.
    @safe struct Stream: ~Copyable {
        let number: StreamNumber
        let local: Endpoint
        let remote: Endpoint
        /// Keeps the descriptor open.
        let connection: TCPConnection
        var queue = StreamQueue()
        /// What has come of a message that is not whole.
        var rest: [UInt8] = []
        /// No more is sent than what waits, and what comes is passed over.
        var isClosing = false
        /// The kernel took less than was there: a flush is of no use until it says otherwise.
        var isBlocked = false
        /// Something was appended since the last flush.
        var isDirty = false
        /// Packets in a row that no SA could have sealed.
        var strangePackets = 0

        init(_ parcel: StreamParcel) {
            number = parcel.number
            connection = parcel.connection
            local = parcel.connection.local
            remote = parcel.connection.remote
        }
    }

    private struct Ends: Hashable {
        var local: Endpoint
        var remote: Endpoint
    }

    static let limit = 4096

    let streams: UnsafeMutablePointer<Stream>
    private var isPresent = [Bool](repeating: false, count: StreamTable.limit)
    private var free: [Int] = []
    /// Indices that were in use at some time lie below.
    private var used = 0
    private var byEnds: [Ends: Int] = [:]
    private var byNumber: [StreamNumber: Int] = [:]
    private var dirty: [Int] = []
    private var endings: [(StreamNumber, StreamEnding)] = []
    private let poll: SourcePoll

    init(_ poll: SourcePoll) {
        self.poll = poll
        unsafe streams = .allocate(capacity: StreamTable.limit)
        dirty.reserveCapacity(StreamTable.limit)
    }

    deinit {
        for index in 0..<used where isPresent[index] {
            unsafe (streams + index).deinitialize(count: 1)
        }
        unsafe streams.deallocate()
    }

    var isEmpty: Bool { byNumber.isEmpty }

    func has(_ index: Int) -> Bool { index >= 0 && index < used && isPresent[index] }

    func index(of number: StreamNumber) -> Int? { byNumber[number] }

    /// The connection that goes between two ends and still takes packets; -1 when there is none.
    func index(local: Endpoint, remote: Endpoint) -> Int {
        byEnds[Ends(local: local, remote: remote)] ?? -1
    }

    // MARK: Coming and going

    /// - Returns: its index; nil when there is no room for it, which is told of.
    mutating func adopt(_ parcel: StreamParcel) -> Int? {
        guard byNumber[parcel.number] == nil, !free.isEmpty || used < StreamTable.limit else {
            endings.append((parcel.number, .refused))
            return nil
        }
        let index = free.popLast() ?? used
        guard poll.watch(parcel.connection, index) else {
            if index < used { free.append(index) }
            endings.append((parcel.number, .refused))
            return nil
        }
        used = max(used, index + 1)
        unsafe (streams + index).initialize(to: Stream(parcel))
        isPresent[index] = true
        byNumber[parcel.number] = index
        byEnds[ends(index)] = index
        return index
    }

    private func ends(_ index: Int) -> Ends {
        unsafe Ends(local: streams[index].local, remote: streams[index].remote)
    }

    mutating func end(_ index: Int, _ ending: StreamEnding) {
        guard has(index) else { return }
        let number = unsafe streams[index].number
        poll.forget(unsafe streams[index].connection.number)
        if byEnds[ends(index)] == index { byEnds[ends(index)] = nil }
        byNumber[number] = nil
        unsafe (streams + index).deinitialize(count: 1)
        isPresent[index] = false
        free.append(index)
        endings.append((number, ending))
    }

    /// Lets out what waits, and then no more; the other end closes (RFC 9329 §6.1), or control loses
    /// its patience.
    mutating func beginClosing(_ index: Int, at now: Instant) {
        guard has(index), unsafe !streams[index].isClosing else { return }
        unsafe streams[index].isClosing = true
        if byEnds[ends(index)] == index { byEnds[ends(index)] = nil }
        flush(index, at: now)
    }

    /// Endings that control has not heard of; `tell` says whether it has now.
    mutating func report(_ tell: (StreamNumber, StreamEnding) -> Bool) {
        var told = 0
        while told < endings.count, tell(endings[told].0, endings[told].1) { told += 1 }
        if told > 0 { endings.removeFirst(told) }
    }

    var hasEndings: Bool { !endings.isEmpty }

    // MARK: Sending

    /// To be flushed at the end of the batch.
    mutating func markDirty(_ index: Int) {
        guard unsafe !streams[index].isDirty else { return }
        unsafe streams[index].isDirty = true
        dirty.append(index)
    }

    var hasDirty: Bool { !dirty.isEmpty }

    mutating func flushDirty(at now: Instant) {
        for index in dirty where has(index) && (unsafe streams[index].isDirty) {
            unsafe streams[index].isDirty = false
            if unsafe !streams[index].isBlocked { flush(index, at: now) }
        }
        dirty.removeAll(keepingCapacity: true)
    }

    /// Sends an IKE message, which ESP may not crowd out.
    mutating func send(_ frame: [UInt8], along index: Int, at now: Instant) {
        guard has(index), unsafe !streams[index].isClosing else { return }
        guard unsafe streams[index].queue.append(frame, at: now) else {
            return end(index, .slowReader)
        }
        if unsafe !streams[index].isBlocked { flush(index, at: now) }
    }

    /// Hands the kernel what it takes, and sees to it that the rest follows.
    mutating func flush(_ index: Int, at now: Instant) {
        let file = unsafe streams[index].connection.number
        switch unsafe streams[index].queue.flush(to: file, at: now) {
        case .gone: end(index, .closed)
        case .drained:
            if unsafe streams[index].isBlocked {
                unsafe streams[index].isBlocked = false
                poll.watch(file, index, isBlocked: false)
            }
            // Not closed: what has come and was not read would make a reset of it, in which what
            // was sent last may be lost.
            if unsafe streams[index].isClosing { _ = shutdown(file, Int32(SHUT_WR)) }
        case .blocked:
            guard unsafe !streams[index].isBlocked else { return }
            unsafe streams[index].isBlocked = true
            poll.watch(file, index, isBlocked: true)
        }
    }

    /// Gives memory back that quiet connections do not need.
    mutating func trim(at now: Instant) {
        for index in 0..<used where isPresent[index] {
            unsafe streams[index].queue.trim(at: now)
        }
    }
}
