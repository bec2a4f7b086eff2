internal import IKEProtocol
internal import IPsecPrimitives
internal import LinuxIO

/// This process begins, another answers, over loopback: what a handshake costs with its system
/// calls, and what a tunnel keeps of memory.
package final class LoopbackHandshakes {
    /// Handshakes under way at once; below the number from which on cookies are demanded of one
    /// address.
    private static let window = 12

    private let suite: HandshakeSuite
    private let responder: ResponderProcess
    private let far: IPAddress
    private let socket: HandshakeSocket
    private var begun = 0

    /// - Parameters:
    ///   - capacity: handshakes that will be measured in all.
    ///   - arguments: that make this program the responder of these algorithms.
    package init(
        _ suite: HandshakeSuite,
        capacity: Int,
        installs: Bool,
        responderArguments arguments: [String]
    ) throws {
        guard let near = IPAddress("127.0.0.1"), let far = IPAddress("127.0.0.2") else {
            throw BenchmarkFailure(description: "no addresses")
        }
        self.suite = suite
        self.far = far
        responder = try ResponderProcess(arguments: arguments)
        let configuration = HandshakeConfiguration(
            suite: suite,
            initiator: near,
            responder: far,
            forgetsSoon: !installs
        )
        socket = try HandshakeSocket(address: near, port: responder.port) { settings in
            let end = HandshakeEnd(settings: settings, installs: installs)
            end.configure(configuration.initiating(capacity), configuration.credentials)
            return end
        }
    }

    deinit {
        responder.stop()
    }

    /// Brings up `count` further tunnels.
    package func run(_ count: Int) throws {
        let target = begun + count
        let end = socket.end
        var quietSince = BootClock.now()
        var known = end.established
        while end.established + end.failed < target {
            while begun < target, begun - end.established - end.failed < LoopbackHandshakes.window {
                beginOne()
            }
            try socket.runOnce(atMostMilliseconds: 100)
            if end.established != known {
                known = end.established
                quietSince = BootClock.now()
            } else if BootClock.now() - quietSince > .seconds(20) {
                throw BenchmarkFailure(description: "nothing came up for 20 s")
            }
        }
        if let failure = end.firstFailure {
            throw BenchmarkFailure(description: "\(suite.ike): \(failure)")
        }
    }

    var responderEndpoint: Endpoint { Endpoint(address: far, port: responder.port) }
    var isDone: Bool { socket.end.established + socket.end.failed >= begun }

    func responderUsage() throws(BenchmarkFailure) -> ResponderProcess.Usage {
        try responder.usage()
    }

    /// Begins one more and does not wait for it.
    func beginOne() {
        let initiation = IKEEvent.Initiation(connection: "peer\(begun)", child: "net")
        begun += 1
        socket.handle(.initiate(initiation), at: BootClock.now())
    }

    /// Handles what has come, without waiting.
    func attend() throws { try socket.runOnce(atMostMilliseconds: 0) }

    package func measure(_ count: Int) throws -> HandshakeMeasurement {
        let before = ProcessUsage.now()
        let first = try responder.usage()
        let start = BootClock.now()
        var tenths: [Double] = []
        var last = first
        var done = 0
        for index in 1...10 {
            let part = count * index / 10 - done
            if part == 0 { continue }
            try run(part)
            done += part
            let next = try responder.usage()
            tenths.append(Double(next.microseconds - last.microseconds) / Double(part))
            last = next
        }
        let seconds = (BootClock.now() - start).inSeconds
        let used = ProcessUsage.now().microseconds - before.microseconds
        return HandshakeMeasurement(
            suite: suite.ike,
            arrangement: "two processes",
            handshakes: count,
            perSecond: Double(count) / seconds,
            initiatorMicroseconds: Double(used) / Double(count),
            responderMicroseconds: Double(last.microseconds - first.microseconds) / Double(count),
            primitivesMicroseconds: InProcessHandshakes.primitives(of: suite),
            responderTenths: tenths,
            seconds: seconds
        )
    }

    /// Resident bytes of a tunnel at each end, over `count` tunnels.
    package func measureMemory(_ count: Int) throws -> TunnelMemory {
        let nearBefore = ProcessUsage.now()
        let farBefore = try responder.usage()
        try run(count)
        // The peer's answers are forgotten within this time.
        try wait(.seconds(10))
        let near = ProcessUsage.now()
        let far = try responder.usage()
        let idle = try usage { try self.wait(.seconds(5)) }
        let round = try usage { try self.probeAll() }
        return TunnelMemory(
            tunnels: count,
            initiatorBytes: (near.residentBytes - nearBefore.residentBytes) / count,
            responderBytes: (far.residentBytes - farBefore.residentBytes) / count,
            idlePercent: Double(idle.far) / 5_000_000 * 100,
            livenessMicroseconds: (
                asking: Double(round.near) / Double(begun),
                answering: Double(round.far) / Double(begun)
            )
        )
    }

    /// CPU of both ends in microseconds meanwhile.
    private func usage(_ body: () throws -> Void) throws -> (near: Int, far: Int) {
        let near = ProcessUsage.now().microseconds
        let far = try responder.usage().microseconds
        try body()
        return (
            ProcessUsage.now().microseconds - near, try responder.usage().microseconds - far
        )
    }

    private func wait(_ duration: Duration) throws {
        let end = BootClock.now() + duration
        while BootClock.now() < end { try socket.runOnce(atMostMilliseconds: 200) }
    }

    /// Asks once for a sign of life in each tunnel.
    private func probeAll() throws {
        let before = socket.end.engine.counters.received
        let end = BootClock.now() + .seconds(120)
        var asked = 0
        while true {
            let answered = Int(socket.end.engine.counters.received - before)
            if answered >= begun { return }
            while asked < begun, asked - answered < LoopbackHandshakes.window {
                socket.handle(.probe(connection: "peer\(asked)"), at: BootClock.now())
                asked += 1
            }
            try socket.runOnce(atMostMilliseconds: 100)
            guard BootClock.now() < end else {
                throw BenchmarkFailure(
                    description: "\(answered) of \(begun) tunnels gave a sign of life in 120 s"
                )
            }
        }
    }
}
