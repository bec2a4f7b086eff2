internal import CLinux
internal import Glibc
internal import IPsecPrimitives
internal import LinuxIO
internal import PacketProtection

/// A datagram was longer than a path carries.
struct TooLongReport {
    var remote: Endpoint
    /// Octets of outer packet that it does carry; 0 when unknown.
    var mtu: Int
}

/// Sends runs of ESP datagrams, each run in one call where the socket can (UDP_SEGMENT).
///
/// For each SA it keeps the socket and the address in the kernel's form, until the SA's path
/// changes. The DF bit is a property of the socket here, and is switched only when it must.
@safe struct DatagramSender: ~Copyable {
    /// Where an SA's datagrams go, ready for the kernel.
    private struct Destination {
        var generation: UInt32 = 0
        /// Index of the socket; -1 when nothing is known yet, -2 when no socket fits.
        var socket: Int32 = -1
        /// The same for packets with an IP header of their own.
        var headerSocket: Int32 = -2
        /// Where its TCP connection was the last time; -1 when it was not looked for.
        var stream: Int32 = -1
        var remote = cygnet_address()
        var local = cygnet_address()
    }

    let sockets: [SourceSocket]
    var streams: StreamTable
    /// Where another worker has the TCP connections.
    let relay: StreamRelay?
    /// Where a fragment is put together.
    let fragmentArea: UnsafeMutableRawPointer
    private var discovery: [PathMTUDiscovery]
    /// How datagrams go that nobody may cut.
    private let uncut: PathMTUDiscovery
    private let learnsPathMTU: Bool
    private var destinations: UnsafeMutablePointer<Destination>
    private var destinationCount = 64
    private let many: UnsafeMutablePointer<cygnet_datagram>
    let counters: WorkerCounters
    private var tooLong: [TooLongReport] = []

    private static let manyCount = 64
    /// How long a full socket may hold up the worker before datagrams are dropped.
    private static let patienceMilliseconds: Int32 = 2
    /// Reports a batch; more of them say nothing new.
    private static let reportsPerBatch = 8

    init(
        _ configuration: DataPlaneConfiguration,
        counters: WorkerCounters,
        streams: consuming StreamTable,
        relay: StreamRelay?
    ) {
        self.streams = streams
        self.relay = relay
        sockets = SourceSocket.all(of: configuration)
        learnsPathMTU = configuration.learnsPathMTU
        let uncut: PathMTUDiscovery = configuration.learnsPathMTU ? .on : .probe
        self.uncut = uncut
        discovery = sockets.map { socket in
            // What is longer than the path is refused or reported, not cut by the kernel.
            DontFragment.set(uncut, on: socket.number, version: socket.version)
            return uncut
        }
        unsafe destinations = .allocate(capacity: destinationCount)
        unsafe destinations.initialize(repeating: Destination(), count: destinationCount)
        unsafe many = .allocate(capacity: DatagramSender.manyCount)
        unsafe many.initialize(repeating: cygnet_datagram(), count: DatagramSender.manyCount)
        unsafe fragmentArea = .allocate(byteCount: 65_536, alignment: 64)
        self.counters = counters
    }

    deinit {
        unsafe destinations.deallocate()
        unsafe many.deallocate()
        unsafe fragmentArea.deallocate()
    }

    /// Sends what a batch was sealed to.
    mutating func send(_ outbound: borrowing OutboundProcessor, at now: Instant) {
        let runs = unsafe outbound.runs
        var sent = 0
        var octets = 0
        var unsent = 0
        for index in 0..<runs.count {
            let run = unsafe runs[index]
            if run.slot >= destinationCount { makeRoom(for: run.slot) }
            let destination = unsafe destinations + run.slot
            let isKnown = unsafe destination.pointee.socket != -1
            if unsafe !isKnown || destination.pointee.generation != run.pathGeneration {
                unsafe destination.pointee = self.destination(
                    outbound.path(ofSlot: run.slot),
                    generation: run.pathGeneration
                )
            }
            let socket = unsafe Int(
                run.hasHeader ? destination.pointee.headerSocket : destination.pointee.socket
            )
            guard socket >= 0 else {
                let taken = unsafe sendAlongStream(
                    run,
                    outbound.datagrams + run.offset,
                    outbound.path(ofSlot: run.slot),
                    known: &destination.pointee.stream,
                    at: now
                )
                if taken == nil { unsent += run.count }
                continue
            }
            let delivered = unsafe send(
                run,
                outbound.datagrams + run.offset,
                to: destination.pointee,
                through: socket,
                linkMTU: run.dontFragment ? 0 : outbound.linkMTU(ofSlot: run.slot)
            )
            sent += delivered
            unsent += run.count - delivered
            if delivered == run.count { octets += run.byteCount }
        }
        if streams.hasDirty { streams.flushDirty(at: now) }
        counters.datagramsSent.add(sent)
        counters.octetsSent.add(octets)
        if unsent > 0 { counters.datagramsUnsent.add(unsent) }
    }

    mutating func takeTooLong() -> [TooLongReport] {
        if tooLong.isEmpty { return [] }
        defer { tooLong.removeAll(keepingCapacity: true) }
        return tooLong
    }

    /// Takes the errors that the network reported about a socket's datagrams off its queue.
    mutating func collectErrors(of socket: SourceSocket) {
        var error: Int32 = 0
        var mtu: UInt32 = 0
        var isOwn: Int32 = 0
        var remote = cygnet_address()
        // Bounded: a flood of errors must not hold up packets.
        for _ in 0..<64 {
            guard
                unsafe cygnet_receive_error(
                    socket.number,
                    Int32(socket.version.rawValue),
                    &error,
                    &mtu,
                    &isOwn,
                    &remote
                ) == 1
            else { return }
            counters.networkErrors.add(1)
            guard error == EMSGSIZE, learnsPathMTU || isOwn != 0,
                tooLong.count < DatagramSender.reportsPerBatch,
                let endpoint = remote.endpoint
            else { continue }
            tooLong.append(TooLongReport(remote: endpoint, mtu: Int(mtu)))
        }
    }

    // MARK: Destinations

    /// As many as slots that were in use, so that the memory is in proportion to the SAs.
    @inline(never)
    private mutating func makeRoom(for slot: Int) {
        let count = max(destinationCount * 2, slot + 1)
        let larger = UnsafeMutablePointer<Destination>.allocate(capacity: count)
        unsafe larger.moveInitialize(from: destinations, count: destinationCount)
        unsafe (larger + destinationCount).initialize(
            repeating: Destination(),
            count: count - destinationCount
        )
        unsafe destinations.deallocate()
        unsafe destinations = larger
        destinationCount = count
    }

    private func destination(_ path: OuterPath, generation: UInt32) -> Destination {
        let isRaw = path.encapsulation == .esp
        let index = sockets.firstIndex { socket in
            socket.kind == (isRaw ? .esp : .udp) && socket.version == path.version
                && (isRaw || socket.port == path.local.port)
                && (socket.address.isUnspecified || socket.address == path.local.address)
        }
        var destination = Destination()
        destination.generation = generation
        // No socket is for TCP, which has connections.
        if path.encapsulation == .tcp {
            destination.socket = -2
            return destination
        }
        destination.socket = index.map { Int32($0) } ?? -2
        destination.headerSocket =
            sockets.firstIndex { $0.kind == .header && $0.version == path.version }
            .map { Int32($0) } ?? -2
        destination.remote = cygnet_address(path.remote)
        // A raw socket over IPv6 takes a port for a protocol number.
        if isRaw { destination.remote.port = 0 }
        if !path.local.address.isUnspecified {
            destination.local = cygnet_address(path.local)
        }
        return destination
    }

    private mutating func prepare(_ index: Int, _ run: DatagramRun, linkMTU: Int) {
        // IPv6 has no DF bit: routers never fragment, and the system does only what is known not
        // to fit, so that the path's MTU is still learnt.
        let mayFragment =
            !run.dontFragment
            && (sockets[index].version == .v4 || run.segmentSize &+ 48 > linkMTU)
        let wanted: PathMTUDiscovery = mayFragment ? .off : uncut
        guard discovery[index] != wanted else { return }
        discovery[index] = wanted
        DontFragment.set(wanted, on: sockets[index].number, version: sockets[index].version)
    }

    // MARK: One run

    /// The number of datagrams that went out.
    private mutating func send(
        _ run: DatagramRun,
        _ bytes: UnsafeMutableRawPointer,
        to destination: Destination,
        through index: Int,
        linkMTU: Int
    ) -> Int {
        if !run.hasHeader { prepare(index, run, linkMTU: linkMTU) }
        var datagram = unsafe cygnet_datagram()
        unsafe datagram.bytes = bytes.assumingMemoryBound(to: UInt8.self)
        unsafe datagram.length = UInt32(run.byteCount)
        unsafe datagram.segment_size = run.count > 1 ? UInt32(run.segmentSize) : 0
        unsafe datagram.remote = destination.remote
        unsafe datagram.local = destination.local
        unsafe datagram.traffic_class = run.trafficClass
        unsafe datagram.hop_limit = run.hopLimit
        if run.hasHeader, !run.dontFragment {
            return unsafe sendInFragments(run, datagram, through: index, linkMTU: linkMTU)
        }
        if sockets[index].kind != .udp, run.count > 1 {
            return unsafe sendApart(run, datagram, through: sockets[index])
        }
        let failure = unsafe attempt(&datagram, through: sockets[index])
        switch failure {
        case 0: return run.count
        case EMSGSIZE where run.count > 1, EINVAL where run.count > 1, EIO where run.count > 1:
            // A device that cannot segment at all, or segments longer than the path: one by one the
            // kernel fragments them, or says of the first how long it may be, which it never says
            // of a run.
            return unsafe sendApart(run, datagram, through: sockets[index])
        case EMSGSIZE:
            reportTooLong(destination, through: sockets[index])
            return 0
        default: return 0
        }
    }

    /// Sends one message: 0 or the error number. Waits a little where the socket is full, and
    /// tries again where it only reported an error about a datagram of before.
    mutating func attempt(
        _ datagram: inout cygnet_datagram,
        through socket: SourceSocket
    ) -> Int32 {
        for round in 0..<3 {
            if unsafe cygnet_send(socket.number, &datagram) == 0 { return 0 }
            let failure = errno
            switch failure {
            case EAGAIN, ENOBUFS:
                guard round == 0 else { return failure }
                waitForRoom(socket)
            case EMSGSIZE, EINVAL, EIO: return failure
            case EINTR: continue
            default: collectErrors(of: socket)
            }
        }
        return EAGAIN
    }

    /// Sends the datagrams of a run one by one, in as few calls as the socket allows.
    private mutating func sendApart(
        _ run: DatagramRun,
        _ whole: cygnet_datagram,
        through socket: SourceSocket
    ) -> Int {
        var done = 0
        var hasWaited = false
        while done < run.count {
            let count = min(run.count - done, DatagramSender.manyCount)
            for index in 0..<count {
                let offset = (done + index) * run.segmentSize
                unsafe many[index] = whole
                unsafe many[index].bytes = whole.bytes + offset
                unsafe many[index].length = UInt32(min(run.segmentSize, run.byteCount - offset))
                unsafe many[index].segment_size = 0
            }
            let sent = unsafe cygnet_send_many(socket.number, many, UInt32(count))
            if sent > 0 {
                done += Int(sent)
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN, ENOBUFS:
                if hasWaited { return done }
                hasWaited = true
                waitForRoom(socket)
            case EMSGSIZE:
                if let remote = unsafe whole.remote.endpoint {
                    appendTooLong(remote, through: socket)
                }
                return done
            default:
                if hasWaited { return done }
                hasWaited = true
                collectErrors(of: socket)
            }
        }
        return done
    }

    private func waitForRoom(_ socket: SourceSocket) {
        var entry = pollfd(fd: socket.number, events: Int16(POLLOUT), revents: 0)
        _ = unsafe Glibc.poll(&entry, 1, DatagramSender.patienceMilliseconds)
    }

    private mutating func reportTooLong(_ destination: Destination, through socket: SourceSocket) {
        if let remote = destination.remote.endpoint { appendTooLong(remote, through: socket) }
    }

    /// The kernel puts the MTU that it knows on the error queue; without that it is unknown.
    mutating func appendTooLong(_ remote: Endpoint, through socket: SourceSocket) {
        let before = tooLong.count
        collectErrors(of: socket)
        if tooLong.count == before, before < DatagramSender.reportsPerBatch {
            tooLong.append(TooLongReport(remote: remote, mtu: 0))
        }
    }
}
