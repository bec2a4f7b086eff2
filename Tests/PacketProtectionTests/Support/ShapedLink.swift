internal import IPsecPrimitives
internal import PacketProtection

/// A gateway whose packets wait for their turn, sources before it, and a clock that jumps from one
/// event to the next.
final class ShapedLink {
    /// What came to the wire.
    struct Departed {
        var time: UInt64
        /// The port that the source sends to: the source's name.
        var port: UInt16
        /// The number that the source gave it.
        var number: Int
        /// When it was sent.
        var sentAt: UInt64
        /// Of the outer packet.
        var octets: Int
    }

    /// Sends packets of one size at a rate, or as often as told.
    struct Source {
        var port: UInt16
        /// Of the inner packet.
        var octets = 1000
        var interval: UInt64
        var codePoint: UInt8 = 0
        var destination = TestHosts.pair(.v4).1.address
        var from: UInt64 = 0
        var until = UInt64.max
        var sent = 0
    }

    static let begin: UInt64 = 1_000_000_000
    let near: TestGateway
    let far: TestGateway
    private(set) var departed: [Departed] = []
    var sources: [Source] = []
    /// The SA's numbers as they came to the wire.
    private(set) var numbers: [UInt32] = []

    init(_ plan: TrafficPlan) throws {
        var configuration = PacketPathConfiguration()
        configuration.coalescesTCP = false
        (near, far) = try TestTunnel().gateways(configuration)
        near.apply(.setTraffic(plan))
    }

    var counts: [TrafficClassCounts] { near.outbound.snapshot().traffic.flatMap(\.classes) }

    /// When something may leave; nil while nothing waits.
    var nextDeparture: Instant? { near.outbound.nextDeparture(at: near.now) }

    /// Goes on for so long, in nanoseconds from the beginning.
    func run(until end: UInt64) {
        let end = ShapedLink.begin + end
        while true {
            let arrivals = sources.map { source in
                let next = ShapedLink.begin + source.from + UInt64(source.sent) * source.interval
                return next < ShapedLink.begin + min(source.until, UInt64.max / 2) ? next : .max
            }
            let arrival = arrivals.min() ?? .max
            let departure = near.outbound.nextDeparture(at: near.now)?.nanoseconds ?? .max
            let next = min(arrival, departure)
            guard next <= end else {
                near.now = Instant(nanoseconds: end)
                return
            }
            near.now = Instant(nanoseconds: max(next, near.now.nanoseconds))
            for index in sources.indices where arrivals[index] == next { send(index) }
            release()
        }
    }

    private func send(_ index: Int) {
        let source = sources[index]
        sources[index].sent += 1
        let header = TestPackets.bytes32(UInt32(source.sent))
        let time = near.now.nanoseconds
        let stamp = [time >> 32, time].flatMap {
            TestPackets.bytes32(UInt32(truncatingIfNeeded: $0))
        }
        let payload = header + stamp + [UInt8](repeating: 0, count: source.octets - 40)
        let packet = TestPackets.udp(
            from: TestHosts.pair(.v4).0,
            to: Endpoint(address: source.destination, port: source.port),
            payload: payload,
            trafficClass: source.codePoint << 2
        )
        take(near.send([TestPackets.plain(packet)]))
    }

    /// Sends what may leave at this moment.
    func release() {
        var isMore = true
        while isMore {
            isMore = near.outbound.takeDeparting(at: near.now)
            take(near.flush())
        }
    }

    private func take(_ runs: [SentRun]) {
        for run in runs {
            for datagram in run.datagrams {
                numbers.append(datagram[4..<8].reduce(0) { $0 << 8 | UInt32($1) })
            }
        }
        let octets = runs.flatMap { $0.datagrams.map { $0.count + 28 } }
        let frames = far.receive(runs)
        precondition(octets.count == frames.count)
        for (frame, octets) in zip(frames, octets) {
            let packet = frame[10...]
            func number(_ offset: Int) -> UInt64 {
                packet[(packet.startIndex + offset)...].prefix(4).reduce(0) { $0 << 8 | UInt64($1) }
            }
            departed.append(
                Departed(
                    time: near.now.nanoseconds - ShapedLink.begin,
                    port: UInt16(truncatingIfNeeded: number(20)),
                    number: Int(number(28)),
                    sentAt: (number(32) << 32 | number(36)) - ShapedLink.begin,
                    octets: octets
                )
            )
        }
    }

    /// Bits a second on the wire in a span of nanoseconds, of one source or of all.
    func rate(_ span: Range<UInt64>, of port: UInt16? = nil) -> Double {
        let octets = departed.filter { span.contains($0.time) && (port ?? $0.port) == $0.port }
            .reduce(0) { $0 + $1.octets }
        return Double(octets) * 8e9 / Double(span.count)
    }

    /// How long packets of a source waited, in nanoseconds.
    func delays(of port: UInt16) -> [UInt64] {
        departed.filter { $0.port == port }.map { $0.time - $0.sentAt }
    }
}

extension TrafficClass {
    /// One that is known by a port.
    static func to(
        _ port: UInt16,
        priority: Int = 4,
        weight: Int = 1,
        ceiling: UInt64? = nil,
        patience: Duration = .milliseconds(200)
    ) -> TrafficClass {
        var rule = TrafficRule()
        rule.ports = [port...port]
        return TrafficClass(
            priority: priority,
            weight: weight,
            ceiling: ceiling,
            patience: patience,
            rules: [rule]
        )
    }
}

extension TrafficPlan {
    /// One shaper for everything.
    static func one(
        rate: UInt64?,
        gateway: UInt64? = nil,
        _ classes: [TrafficClass] = [TrafficClass()]
    ) -> TrafficPlan {
        TrafficPlan(
            rate: gateway,
            shapers: [
                TrafficShaper(
                    identifier: 7,
                    policies: [TestTunnel.policy],
                    rate: rate,
                    classes: classes
                )
            ]
        )
    }
}

let second: UInt64 = 1_000_000_000
let millisecond: UInt64 = 1_000_000
let megabit: UInt64 = 1_000_000
