internal import IKEProtocol
internal import IPsecPrimitives
internal import LinuxIO

/// An end on a loopback socket.
final class HandshakeSocket {
    let end: HandshakeEnd
    private let socket: UDPSocket
    private let loop: EventLoop
    private let room = DatagramRoom()

    var port: UInt16 { socket.local.port }

    /// - Parameter make: the end, given the port, which both ends use as that of IKE.
    init(
        address: IPAddress,
        port: UInt16,
        make: (EngineSettings) -> HandshakeEnd
    ) throws(SystemCallFailure) {
        socket = try UDPSocket(
            bindingTo: Endpoint(address: address, port: port),
            options: UDPSocket.Options(mark: nil)
        )
        socket.enlargeBuffers(bytes: 4 << 20)
        var settings = EngineSettings()
        settings.ikePort = socket.local.port
        end = make(settings)
        loop = try EventLoop()
        try loop.add(socket.number) { [unowned self] _ in receive() }
    }

    func watch(
        _ descriptor: Int32,
        _ handler: @escaping () -> Void
    ) throws(SystemCallFailure) {
        try loop.add(descriptor) { _ in handler() }
    }

    /// One round of what has come, or of a timer, waiting at most so long.
    func runOnce(atMostMilliseconds limit: Int32) throws(SystemCallFailure) {
        var wait = limit
        if let deadline = end.engine.nextTimeout {
            let left = max((deadline - BootClock.now()).wholeNanoseconds / 1_000_000 + 1, 0)
            wait = min(wait, Int32(clamping: left))
        }
        try loop.runOnce(timeoutMilliseconds: wait)
        let now = BootClock.now()
        if let deadline = end.engine.nextTimeout, deadline <= now { handle(.timeout, at: now) }
    }

    func handle(_ event: IKEEvent, at now: Instant) {
        end.handle(event, at: now)
        for datagram in end.outbox {
            try? socket.send(datagram.bytes, from: datagram.local.address, to: datagram.remote)
        }
    }

    private func receive() {
        // A bound, so that whoever watches gets a turn.
        for _ in 0..<8 {
            let (datagrams, isMore) = socket.receive(into: room)
            for datagram in datagrams {
                handle(
                    .datagram(
                        IKEDatagram(
                            bytes: datagram.bytes,
                            local: datagram.local,
                            remote: datagram.remote
                        )
                    ),
                    at: BootClock.now()
                )
            }
            if !isMore { return }
        }
    }
}
