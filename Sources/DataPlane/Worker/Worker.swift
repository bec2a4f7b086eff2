internal import CLinux
internal import Glibc
internal import IPsecPrimitives
internal import LinuxIO
internal import PacketProtection

/// One thread's whole state: both directions of the packet path and what feeds them.
///
/// Each round waits for any source, reads the clock once, carries out commands, and then gives
/// every ready source a bounded share: up to `readBudget` superpackets from the device, up to
/// `receiveBudget` calls on each socket. With work left over it does not wait but looks again.
struct Worker: ~Copyable {
    let setup: WorkerSetup
    var outbound: OutboundProcessor
    var inbound: InboundProcessor
    var sender: DatagramSender
    private let receiver: DatagramReceiver
    let poll: SourcePoll
    let streamBuffer = StreamBuffer()
    private var devices = DeviceTable()
    private var lastExpiry = Instant.origin
    /// Whether commands were looked for since this round took what others have for this worker.
    private var hasAcknowledged = false
    /// The connection that was read last.
    var lastStream = -1
    /// Where other workers put packets for this one.
    let arrivals: [HandOverRing]
    /// Packets given away up to the round before.
    var handedOverBefore = 0
    /// Whether somebody looks at packets: read once a batch.
    private(set) var isTraced = false

    /// Whether packets may have to wait for their turn: read once a round.
    private var isShaping = false
    /// When the next of the packets that wait for their turn may leave; nil while none waits.
    var departure: Instant?

    private static let readBudget = 64
    private static let receiveBudget = 4
    /// A flood of IKE datagrams, which anybody can send and which are large, must leave room for
    /// what the packet path has to tell: at most a quarter of the mailbox is theirs.
    private static let reserveForPacketPath = DataPlane.eventCapacity / 4 * 3

    init(_ setup: WorkerSetup, poll: SourcePoll) {
        self.setup = setup
        let passages = setup.passages
        outbound = OutboundProcessor(setup.configuration.packetPath, passages: passages)
        inbound = InboundProcessor(setup.configuration.packetPath, passages: passages)
        arrivals = setup.exchange?.arrivals(at: setup.place.index) ?? []
        sender = DatagramSender(
            setup.configuration,
            counters: setup.counters,
            streams: StreamTable(poll),
            relay: setup.place.index == 0 ? nil : setup.exchange?.relay(from: setup.place.index)
        )
        receiver = DatagramReceiver()
        self.poll = poll
        devices.attach(setup.configuration.device, .shared, worker: setup.place.index)
    }

    mutating func run() {
        while !setup.isStopping.isSet {
            poll.wait(milliseconds: 1000)
            let now = BootClock.now()
            if poll.hasCommands { carryOutCommands(at: now) }
            if isTimed { serveTimers(at: now) }
            hasAcknowledged = false
            if setup.exchange != nil { takeArrivals(at: now) }
            for index in 0..<poll.socketCount where poll.isReadable(index) {
                receive(from: poll.socket(index), at: now)
            }
            for index in 0..<poll.socketCount where poll.hasErrors(index) {
                sender.collectErrors(of: poll.socket(index))
            }
            poll.arrangeStreams(after: lastStream)
            for index in 0..<poll.readyStreamCount {
                let (stream, readiness) = poll.readyStream(index)
                serveStream(stream, readiness, at: now)
            }
            for index in 0..<poll.readyDeviceCount {
                readDevice(poll.readyDevice(index), at: now)
            }
            while let device = poll.takeLostDevice() { lose(device) }
            if isShaping { sendDue() }
            if now - lastExpiry >= .seconds(1) {
                lastExpiry = now
                outbound.expire(at: now)
                sender.streams.trim(at: now)
            }
            postEvents()
            if setup.exchange != nil {
                wakeOthers()
                // Commands that were looked for amid the round took other workers' wake-ups with them.
                if hasAcknowledged { setup.exchange?.remind(setup.place.index) }
            }
            armTimer()
        }
    }

    // MARK: Commands and events

    mutating func carryOutCommands(at now: Instant) {
        // What was taken before goes where it was to go, while its slot and its device are not another's.
        flushOutbound(at: now)
        flushInbound(at: now)
        setup.commands.acknowledge()
        hasAcknowledged = true
        var count = 0
        while let command = setup.commands.receive() {
            count += 1
            switch command {
            case .packetPath(let command): carryOut(command, at: now)
            case .attach(let device, let number):
                detach(number)
                devices.attach(device, number, worker: setup.place.index)
                if !poll.watch(device, number) { lose(number.rawValue) }
            case .detach(let number): detach(number)
            case .stream(let command): carryOut(command, at: now)
            }
            setup.counters.commandIsDone()
        }
        // Control may have more that found no room.
        if count >= WorkerChannel.commandCapacity / 2 { setup.events.wake() }
        isTraced = outbound.isTraced
        isShaping = outbound.isShaping
        if !isShaping { departure = nil }
        while outbound.hasReleasedPackets {
            outbound.takeReleased(at: now)
            flushOutbound(at: now)
        }
    }

    private mutating func carryOut(_ command: PacketPathCommand, at now: Instant) {
        switch command.direction {
        case .outbound: outbound.apply(command, at: now)
        case .inbound: inbound.apply(command, at: now)
        case .both:
            outbound.apply(command, at: now)
            inbound.apply(command, at: now)
        }
    }

    private mutating func detach(_ number: DeviceNumber) {
        guard let device = devices.device(number) else { return }
        poll.forget(device, number)
        devices.detach(number)
    }

    private mutating func lose(_ device: UInt16) {
        let number = DeviceNumber(rawValue: device)
        // It may have been let go since the poll.
        guard devices.file(device) >= 0 else { return }
        detach(number)
        // All workers find it out; one tells.
        guard setup.place.index == 0 else { return }
        if post(.deviceLost(number)) { setup.events.wake() }
    }

    private mutating func postEvents() {
        var isPosted = false
        if outbound.hasEvents || inbound.hasEvents { isPosted = givePacketPathEvents() }
        for report in sender.takeTooLong() {
            isPosted = post(.pathMTU(remote: report.remote, mtu: report.mtu)) || isPosted
        }
        if isPosted { setup.events.wake() }
        reportStreams()
    }

    /// What finds no room stays for the next round: most of it is told once.
    ///
    /// - Returns: whether there was room for any.
    private mutating func givePacketPathEvents() -> Bool {
        let mailbox = setup.events
        var isPosted = false
        func give(_ event: PacketPathEvent) -> Bool {
            guard mailbox.send(.packetPath(event)) else { return false }
            isPosted = true
            return true
        }
        outbound.giveEvents(to: give)
        inbound.giveEvents(to: give)
        return isPosted
    }

    private func post(_ event: DataPlaneEvent, reserve: Int = 0) -> Bool {
        if setup.events.send(event, reserve: reserve) { return true }
        setup.counters.eventsLost.add(1)
        return false
    }

    // MARK: Outbound

    private mutating func readDevice(_ ready: SourcePoll.ReadyDevice, at now: Instant) {
        let device = ready.number
        let file = devices.file(device, mark: ready.mark)
        guard file >= 0 else { return }
        outbound.begin(mark: ready.mark, at: now)
        var reads = 0
        var octets = 0
        while reads < Worker.readBudget, outbound.othersHaveRoom {
            let buffer = unsafe outbound.readBuffer
            let count = unsafe read(file, buffer.baseAddress, buffer.count)
            guard count > 0 else { break }
            reads += 1
            octets += count
            if isTraced {
                outbound.processTraced(
                    byteCount: count,
                    device: DeviceNumber(rawValue: device),
                    at: now
                )
            } else {
                outbound.processRead(
                    byteCount: count,
                    device: DeviceNumber(rawValue: device),
                    at: now
                )
            }
            if !outbound.hasRoom { flushOutbound(at: now) }
        }
        flushOutbound(at: now)
        setup.counters.deviceReads.add(reads)
        setup.counters.deviceReadOctets.add(octets)
    }

    mutating func flushOutbound(at now: Instant) {
        outbound.seal(at: now)
        sender.send(outbound, at: now)
        unsafe write(outbound.deviceWrites, of: outbound.deviceBytes)
        outbound.reset()
    }

    // MARK: Inbound

    private mutating func receive(from socket: SourceSocket, at now: Instant) {
        for _ in 0..<Worker.receiveBudget {
            guard inbound.othersHaveRoom else { return }
            let count = receiver.receive(socket)
            guard count > 0 else { break }
            // Control told of the SA before the peer could use it, perhaps since the poll.
            if setup.commands.hasMessages { carryOutCommands(at: now) }
            if inbound.isCrowded { announce(count, from: socket) }
            for index in 0..<count {
                if !inbound.hasRoom { flushInbound(at: now) }
                take(index, from: socket, at: now)
            }
            // Packets are opened in the receiver's buffers: before they are used again.
            flushInbound(at: now)
            if count < DatagramReceiver.batch { break }
        }
    }

    private mutating func announce(_ count: Int, from socket: SourceSocket) {
        for index in 0..<count {
            guard let arrival = unsafe receiver.arrival(index, from: socket) else { continue }
            unsafe inbound.announce(arrival.bytes, byteCount: arrival.byteCount)
        }
        inbound.prepareAnnounced()
    }

    private mutating func take(_ index: Int, from socket: SourceSocket, at now: Instant) {
        guard let arrival = unsafe receiver.arrival(index, from: socket) else {
            setup.counters.receivesTruncated.add(1)
            return
        }
        setup.counters.receives.add(1)
        setup.counters.octetsReceived.add(unsafe arrival.byteCount)
        if isTraced { return unsafe takeTraced(arrival, from: socket, at: now) }
        switch socket.kind {
        case .header:
            unsafe inbound.receiveAH(arrival.bytes, byteCount: arrival.byteCount, at: now)
        case .esp:
            unsafe inbound.receiveESP(
                arrival.bytes,
                byteCount: arrival.byteCount,
                from: arrival.remote.address,
                to: arrival.local.address,
                trafficClass: arrival.trafficClass,
                hopLimit: arrival.hopLimit,
                at: now
            )
        case .udp:
            unsafe inbound.receiveUDP(
                arrival.bytes,
                byteCount: arrival.byteCount,
                segmentSize: arrival.segmentSize,
                from: arrival.remote,
                to: arrival.local,
                trafficClass: arrival.trafficClass,
                hopLimit: arrival.hopLimit,
                at: now
            )
        }
    }

    /// As `take`, a datagram at a time.
    @inline(never)
    private mutating func takeTraced(
        _ arrival: DatagramReceiver.Arrival,
        from socket: SourceSocket,
        at now: Instant
    ) {
        switch socket.kind {
        case .header:
            unsafe inbound.receiveAHTraced(arrival.bytes, byteCount: arrival.byteCount, at: now)
        case .esp:
            unsafe inbound.receiveESPTraced(
                arrival.bytes,
                byteCount: arrival.byteCount,
                from: arrival.remote.address,
                to: arrival.local.address,
                trafficClass: arrival.trafficClass,
                hopLimit: arrival.hopLimit,
                at: now
            )
        case .udp:
            let size = unsafe arrival.segmentSize > 0 ? arrival.segmentSize : arrival.byteCount
            var offset = 0
            while unsafe offset < arrival.byteCount {
                let count = unsafe min(size, arrival.byteCount - offset)
                if !inbound.hasRoom { flushInbound(at: now) }
                unsafe inbound.receiveUDPTraced(
                    arrival.bytes + offset,
                    byteCount: count,
                    from: arrival.remote,
                    to: arrival.local,
                    trafficClass: arrival.trafficClass,
                    hopLimit: arrival.hopLimit,
                    at: now
                )
                offset += count
            }
        }
    }

    mutating func flushInbound(at now: Instant) {
        if isTraced { inbound.openTraced(at: now) } else { inbound.open(at: now) }
        unsafe write(inbound.deviceWrites, of: inbound.deviceBytes)
        var isPosted = false
        for index in unsafe 0..<inbound.controlDatagrams.count {
            let datagram = unsafe inbound.controlDatagrams[index]
            let received = unsafe IKEDatagramReceived(
                bytes: Array(datagram.bytes),
                local: datagram.local,
                remote: datagram.source
            )
            isPosted =
                post(.ikeDatagram(received), reserve: Worker.reserveForPacketPath) || isPosted
        }
        if isPosted { setup.events.wake() }
        inbound.reset()
    }

    // MARK: Device

    private func write(
        _ writes: UnsafeBufferPointer<DeviceWrite>,
        of bytes: UnsafeMutableRawPointer
    ) {
        var octets = 0
        var failures = 0
        for index in 0..<writes.count {
            let item = unsafe writes[index]
            let count = unsafe Glibc.write(
                devices.file(item.device.rawValue),
                bytes + item.offset,
                item.byteCount
            )
            if count == item.byteCount { octets += count } else { failures += 1 }
        }
        guard !writes.isEmpty else { return }
        setup.counters.deviceWrites.add(writes.count)
        setup.counters.deviceWriteOctets.add(octets)
        setup.counters.deviceWriteFailures.add(failures)
    }
}
