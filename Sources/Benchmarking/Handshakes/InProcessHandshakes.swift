internal import IKEProtocol
internal import IPsecCrypto
internal import IPsecPrimitives
internal import LinuxIO

/// Both roles in this process, messages passed by hand: what the engine itself costs.
package enum InProcessHandshakes {
    package static func measure(
        _ suite: HandshakeSuite,
        count: Int
    ) throws(BenchmarkFailure) -> HandshakeMeasurement {
        guard let near = IPAddress("192.0.2.1"), let far = IPAddress("192.0.2.2") else {
            throw BenchmarkFailure(description: "no addresses")
        }
        let configuration = HandshakeConfiguration(suite: suite, initiator: near, responder: far)
        let initiator = HandshakeEnd(settings: EngineSettings(), installs: true)
        let responder = HandshakeEnd(settings: EngineSettings(), installs: true)
        let warmUp = max(count / 10, 20)
        let total = count + warmUp
        initiator.configure(configuration.initiating(total), configuration.credentials)
        responder.configure(configuration.responding(), configuration.credentials)
        var spent = Spent()
        var tenths: [Double] = []
        var start = BootClock.now()
        for index in 0..<total {
            if index == warmUp {
                spent = Spent()
                start = BootClock.now()
            }
            run(index, initiator, responder, &spent)
            let done = index - warmUp + 1
            if done > 0, done % max(count / 10, 1) == 0, tenths.count < 10 {
                tenths.append(Double(spent.responderTenth) / 1000 / Double(max(count / 10, 1)))
                spent.responderTenth = 0
            }
        }
        guard responder.established == total, initiator.established == total else {
            let reason = initiator.firstFailure ?? responder.firstFailure ?? "no reason known"
            throw BenchmarkFailure(
                description: "\(suite.ike): only \(responder.established) of \(total) came up: "
                    + reason
            )
        }
        let seconds = (BootClock.now() - start).inSeconds
        return HandshakeMeasurement(
            suite: suite.ike,
            arrangement: "one process",
            handshakes: count,
            perSecond: Double(count) / seconds,
            initiatorMicroseconds: Double(spent.initiator) / 1000 / Double(count),
            responderMicroseconds: Double(spent.responder) / 1000 / Double(count),
            primitivesMicroseconds: primitives(of: suite),
            responderTenths: tenths,
            seconds: seconds
        )
    }

    /// CPU of one role's key exchanges alone, in microseconds: the floor of a handshake.
    static func primitives(of suite: HandshakeSuite) -> Double {
        var random: any RandomSource = SystemRandomSource()
        let methods = suite.ikeProposal.transforms.filter(\.type.isKeyExchange)
            .map { KeyExchangeMethod(rawValue: $0.identifier) }
        let rounds = 300
        var spent = 0
        for method in methods {
            guard let peer = try? KeyExchangeKeyPair.generate(method, random: &random) else {
                continue
            }
            let before = ProcessUsage.now().microseconds
            for _ in 0..<rounds {
                _ = try? KeyExchangeKeyPair.answer(method, to: peer.publicValue, random: &random)
            }
            spent += ProcessUsage.now().microseconds - before
        }
        return Double(spent) / Double(rounds)
    }

    /// Nanoseconds.
    private struct Spent {
        var initiator: UInt64 = 0
        var responder: UInt64 = 0
        var responderTenth: UInt64 = 0
    }

    private static func run(
        _ index: Int,
        _ initiator: HandshakeEnd,
        _ responder: HandshakeEnd,
        _ spent: inout Spent
    ) {
        let initiation = IKEEvent.Initiation(connection: "peer\(index)", child: "net")
        spent.initiator += handle(.initiate(initiation), initiator)
        while !initiator.outbox.isEmpty {
            let toResponder = initiator.outbox
            var toInitiator: [IKEDatagram] = []
            for datagram in toResponder {
                let time = handle(.datagram(datagram.reversed), responder)
                spent.responder += time
                spent.responderTenth += time
                toInitiator += responder.outbox
            }
            if toInitiator.isEmpty { return }
            var next: [IKEDatagram] = []
            for datagram in toInitiator {
                spent.initiator += handle(.datagram(datagram.reversed), initiator)
                next += initiator.outbox
            }
            if next.isEmpty { return }
        }
    }

    private static func handle(_ event: IKEEvent, _ end: HandshakeEnd) -> UInt64 {
        let before = ProcessUsage.threadNanoseconds()
        end.handle(event, at: BootClock.now())
        return ProcessUsage.threadNanoseconds() - before
    }
}

extension IKEDatagram {
    /// As the other end sees it.
    fileprivate var reversed: IKEDatagram {
        IKEDatagram(bytes: bytes, local: remote, remote: local)
    }
}
