internal import DataPlane
internal import IKEMessages
internal import IKEProtocol
internal import IPsecPrimitives
internal import LinuxIO

/// The TCP connections of the gateway, and the sockets that wait for more (RFC 9329).
///
/// Belongs to the loop's thread. Connections that others open are bounded in number and, as long as
/// no IKE SA goes by them, in time; what waits to be sent is bounded too. One that Child SAs go by is
/// read and written by the packet path, and stays known here.
final class StreamPool {
    private let loop: EventLoop
    let limits: StreamLimits
    private let mark: PacketMark?
    private let timer: TimerDescriptor
    private var listeners: [Endpoint: TCPListener] = [:]
    /// Listeners that are not watched, because there are no descriptors left.
    private var paused: [TCPListener] = []
    var streams: [StreamEnds: GatewayStream] = [:]
    /// Those that the packet path carries.
    var carried: [StreamNumber: StreamEnds] = [:]
    var lastNumber: UInt64 = 0
    private var opening: [StreamAttempt: GatewayStream] = [:]
    private var perSource: [IPAddress: Int] = [:]
    private(set) var incoming = 0
    var counters = StreamCounters()

    /// What came by an open connection.
    var onMessage: ((IKEDatagram) -> Void)?
    var onOpened: ((StreamAttempt, StreamEnds) -> Void)?
    var onFailed: ((StreamAttempt, String) -> Void)?
    var onClosed: ((StreamEnds) -> Void)?
    /// For the packet path.
    var onCommand: ((StreamCommand) -> Void)?
    /// The connections that IKE SAs go by.
    var inUse: (() -> Set<StreamEnds>)?

    init(
        loop: EventLoop,
        mark: PacketMark?,
        limits: StreamLimits = StreamLimits()
    ) throws(SystemCallFailure) {
        self.loop = loop
        self.mark = mark
        self.limits = limits
        timer = try TimerDescriptor()
        try loop.add(timer.number) { [unowned self] _ in
            timer.acknowledge()
            sweep(at: BootClock.now())
        }
    }

    var count: Int { streams.count + opening.count }

    // MARK: Listening

    /// Waits for connections at these endpoints and at no others.
    ///
    /// - Returns: those at which that is not possible, and why.
    func listen(at endpoints: [Endpoint]) -> [SystemCallFailure] {
        for (endpoint, listener) in listeners where !endpoints.contains(endpoint) {
            loop.remove(listener.number)
            paused.removeAll { $0 === listener }
            listeners[endpoint] = nil
        }
        var failures: [SystemCallFailure] = []
        for endpoint in endpoints where listeners[endpoint] == nil {
            do throws(SystemCallFailure) {
                let listener = try TCPListener(bindingTo: endpoint, mark: mark)
                try watch(listener)
                listeners[endpoint] = listener
            } catch {
                failures.append(error)
            }
        }
        if !listeners.isEmpty { TCPConnection.allowDescriptors(limits.streams + 1024) }
        return failures
    }

    private func watch(_ listener: TCPListener) throws(SystemCallFailure) {
        try loop.add(listener.number) { [unowned self] _ in accept(from: listener) }
    }

    private func accept(from listener: TCPListener) {
        // Bounded, so that a flood cannot keep the loop to itself.
        for _ in 0..<64 {
            switch listener.accept() {
            case .nobody: return
            case .exhausted:
                // Tried again by the sweep: those who wait would wake the loop without end.
                loop.remove(listener.number)
                paused.append(listener)
                return armSweep()
            case .connection(let connection): admit(connection)
            }
        }
    }

    private func admit(_ connection: TCPConnection) {
        let source = StreamLimits.source(connection.remote.address)
        guard incoming < limits.streams, perSource[source, default: 0] < limits.streamsPerSource
        else {
            counters.refused += 1
            return
        }
        let stream = GatewayStream(
            connection,
            isIncoming: true,
            stage: .open,
            at: BootClock.now()
        )
        guard streams[stream.ends] == nil, register(stream) else { return }
        streams[stream.ends] = stream
        incoming += 1
        perSource[source, default: 0] += 1
        counters.accepted += 1
        armSweep()
    }

    // MARK: Opening

    func open(_ attempt: StreamAttempt, from local: IPAddress, to remote: Endpoint) {
        do throws(SystemCallFailure) {
            let stream = GatewayStream(
                try TCPConnection(openingTo: remote, from: local, mark: mark),
                isIncoming: false,
                stage: .opening(attempt),
                at: BootClock.now()
            )
            opening[attempt] = stream
            try loop.add(stream.number, for: .writable) { [unowned self] readiness in
                serve(stream, readiness)
            }
            armSweep()
        } catch {
            opening[attempt] = nil
            onFailed?(attempt, "\(error)")
        }
    }

    func abandon(_ attempt: StreamAttempt) {
        guard let stream = opening.removeValue(forKey: attempt) else { return }
        loop.remove(stream.number)
    }

    private func opened(_ stream: GatewayStream, _ attempt: StreamAttempt) {
        opening[attempt] = nil
        loop.remove(stream.number)
        if let failure = stream.connection.openingFailure() {
            onFailed?(attempt, failure)
            return
        }
        // RFC 9329 §4: the prefix goes first, and once.
        let isQueued = stream.queue(StreamFraming.prefix, limit: limits.pendingOctets)
        stream.stage = .open
        guard isQueued, streams[stream.ends] == nil, register(stream) else {
            onFailed?(attempt, "it cannot be used")
            return
        }
        streams[stream.ends] = stream
        counters.opened += 1
        flush(stream)
        onOpened?(attempt, stream.ends)
    }

    private func register(_ stream: GatewayStream) -> Bool {
        do throws(SystemCallFailure) {
            try loop.add(stream.number) { [unowned self] readiness in serve(stream, readiness) }
            return true
        } catch {
            return false
        }
    }

    // MARK: Messages

    /// Sends along an open connection. Where it is gone, the message is too: its sender hears, or has
    /// heard, of the end.
    func send(_ datagram: IKEDatagram) {
        let ends = StreamEnds(local: datagram.local, remote: datagram.remote)
        guard let stream = streams[ends], stream.stage == .open,
            let frame = StreamFraming.frame(message: datagram.bytes)
        else { return }
        if let number = stream.carried {
            onCommand?(.send(frame, number))
            return
        }
        guard stream.queue(frame, limit: limits.pendingOctets) else {
            counters.slowReaders += 1
            return end(stream)
        }
        flush(stream)
    }

    private func serve(_ stream: GatewayStream, _ readiness: EventLoop.Readiness) {
        if case .opening(let attempt) = stream.stage { return opened(stream, attempt) }
        if readiness.contains(.writable) { flush(stream) }
        guard readiness != .writable, streams[stream.ends] === stream else { return }
        switch stream.read() {
        case .nothing: return
        case .ended: end(stream)
        case .octets: takeContents(of: stream)
        }
    }

    /// One by one: any of them may end the connection, or make it the packet path's.
    private func takeContents(of stream: GatewayStream) {
        do throws(StreamFault) {
            while streams[stream.ends] === stream, stream.carried == nil,
                let content = try stream.next()
            {
                take(content, from: stream)
            }
        } catch {
            // RFC 9329 §3.1: such values are "fatal errors", and the connection MUST be closed.
            counters.faults += 1
            end(stream)
        }
    }

    private func take(_ content: StreamFraming.Content, from stream: GatewayStream) {
        switch content {
        case .keepalive: break
        // RFC 9329 §6.1: no reason to close the connection.
        case .packet: counters.packetsDropped += 1
        case .message(let bytes): take(bytes, from: stream.ends)
        }
    }

    func take(_ message: [UInt8], from ends: StreamEnds) {
        counters.messages += 1
        onMessage?(
            IKEDatagram(
                bytes: message,
                local: ends.local,
                remote: ends.remote,
                transport: .tcp
            )
        )
    }

    private func flush(_ stream: GatewayStream) {
        guard stream.flush() else { return end(stream) }
        if stream.stage == .closing, !stream.hasOutput { return drop(stream) }
        loop.change(stream.number, to: stream.hasOutput ? [.readable, .writable] : .readable)
    }

    // MARK: Closing

    /// Closes a connection once what was sent before is out.
    func close(_ ends: StreamEnds) {
        guard let stream = streams[ends] else { return }
        stream.stage = .closing
        stream.unusedSince = BootClock.now()
        armSweep()
        if let number = stream.carried {
            onCommand?(.close(number))
        } else {
            flush(stream)
        }
    }

    /// The other end or a fault has ended it.
    func end(_ stream: GatewayStream) {
        let isKnown = stream.stage == .open
        drop(stream)
        if isKnown { onClosed?(stream.ends) }
    }

    private func drop(_ stream: GatewayStream) {
        guard streams[stream.ends] === stream else { return }
        streams[stream.ends] = nil
        if let number = stream.carried {
            // Unless it was the packet path that ended it.
            if carried.removeValue(forKey: number) != nil { onCommand?(.drop(number)) }
        } else {
            loop.remove(stream.number)
        }
        guard stream.isIncoming else { return }
        incoming -= 1
        let source = StreamLimits.source(stream.ends.remote.address)
        perSource[source, default: 1] -= 1
        if perSource[source] == 0 { perSource[source] = nil }
    }

    /// Ends every connection and stops listening.
    func stop() {
        _ = listen(at: [])
        for stream in streams.values where stream.carried == nil { loop.remove(stream.number) }
        for stream in opening.values { loop.remove(stream.number) }
        streams = [:]
        carried = [:]
        opening = [:]
    }

    /// The packet path reads and writes it from now on.
    func ceaseToWatch(_ stream: GatewayStream) { loop.remove(stream.number) }

    private var isSweepArmed = false

    private func armSweep() {
        guard !isSweepArmed, count > 0 || !paused.isEmpty else { return }
        isSweepArmed = true
        timer.arm(at: BootClock.now() + limits.sweepInterval)
    }

    /// Closes what nobody uses, and what does not take its last octets.
    private func sweep(at now: Instant) {
        isSweepArmed = false
        let used = inUse?() ?? []
        for stream in Array(streams.values) {
            if stream.stage == .closing {
                if now - stream.unusedSince >= limits.closingPatience { drop(stream) }
            } else if used.contains(stream.ends) {
                stream.unusedSince = now
            } else if stream.isIncoming, now - stream.unusedSince >= limits.idlePatience {
                counters.idle += 1
                end(stream)
            }
        }
        let waiting = paused
        paused = []
        for listener in waiting {
            do throws(SystemCallFailure) { try watch(listener) } catch { paused.append(listener) }
        }
        armSweep()
    }
}

/// What became of connections and of what came by them.
struct StreamCounters: Equatable {
    var accepted = 0
    var opened = 0
    /// Too many were there, in all or of their source.
    var refused = 0
    /// Out of step: another prefix, or a length that cannot be.
    var faults = 0
    /// Closed because no IKE SA went by them.
    var idle = 0
    /// Closed because the other end did not read.
    var slowReaders = 0
    var messages = 0
    /// ESP along connections by which no Child SA goes.
    var packetsDropped = 0
    /// Closed because what came was no packet of any SA, again and again.
    var outOfStep = 0
}
