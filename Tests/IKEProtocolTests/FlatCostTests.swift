import AllocationCounting
import IKECredentials
import IKEProtocol
import IPsecPrimitives
import Testing

/// A handshake costs the same however many tunnels are up.
///
/// Work is counted in ways that no clock and no other load disturbs. Octets allocated: a list of all
/// IKE SAs, connections or timers, sorted, filtered or copied, takes eight for each at least. And
/// calls of Swift's runtime, of which whoever looks at IKE SAs, connections or names one by one makes
/// at least one for each. A walk along plain numbers is not seen here, but by `cygnet bench handshake
/// --tunnels`.
struct FlatCostTests {
    private static let few = 50
    private static let many = 800
    /// So many handshakes are measured, and the median counts: a table that grows in one of them
    /// moves all that it holds.
    private static let sample = 21

    @Test func theLastHandshakeCostsWhatTheFirstDid() throws {
        let engines = Engines(connections: FlatCostTests.many + 2 * FlatCostTests.sample)
        engines.connect(FlatCostTests.few)
        let early = engines.costs(of: FlatCostTests.sample)
        engines.connect(FlatCostTests.many - FlatCostTests.few)
        let late = engines.costs(of: FlatCostTests.sample)
        let more = FlatCostTests.many - FlatCostTests.few
        #expect(engines.established == engines.begun)
        for (early, late) in [(early.initiator, late.initiator), (early.responder, late.responder)]
        {
            #expect(late.octets - early.octets < 4 * more, "\(early) to \(late)")
            #expect(late.calls - early.calls < more / 2, "\(early) to \(late)")
        }
    }

    @Test func lookingAtEachOfManyIsCounted() {
        let objects = (0..<FlatCostTests.many).map { SecretBytes([UInt8($0 % 256)]) }
        let before = Cost.now
        var found = 0
        for object in objects where object.count == 2 { found += 1 }
        let cost = Cost.now - before
        #expect(found == 0)
        #expect(cost.calls >= FlatCostTests.many)
    }
}

/// What a thread has done, or has done for something.
private struct Cost: CustomStringConvertible {
    var octets = 0
    var calls = 0

    static var now: Cost {
        Cost(octets: Int(allocation_octets()), calls: Int(runtime_calls()))
    }

    static func - (left: Cost, right: Cost) -> Cost {
        Cost(octets: left.octets - right.octets, calls: left.calls - right.calls)
    }

    static func += (left: inout Cost, right: Cost) {
        left.octets += right.octets
        left.calls += right.calls
    }

    static func median(of costs: [Cost]) -> Cost {
        Cost(
            octets: costs.map(\.octets).sorted()[costs.count / 2],
            calls: costs.map(\.calls).sorted()[costs.count / 2]
        )
    }

    var description: String { "\(octets) octets and \(calls) calls of the runtime" }
}

/// An end with a connection for each peer, and one that takes whoever has the secret.
private final class Engines {
    private let initiator: IKEEngine
    private let responder: IKEEngine
    private var now = Instant(nanoseconds: 1_000_000_000)
    private(set) var begun = 0
    private(set) var established = 0

    init(connections count: Int) {
        initiator = IKEEngine(random: SeededRandomSource(seed: 1))
        responder = IKEEngine(random: SeededRandomSource(seed: 2))
        var setup = Setup()
        setup.children = ["net": ("10.1.0.0/16", "10.2.0.0/16")]
        let model = setup.connections[0]
        let peers = (0..<count).map { index in
            var connection = model
            connection.name = "peer\(index)"
            connection.localIdentity = Identity("peer\(index).example")!
            return connection
        }
        var hub = setup.mirrored.connections[0]
        hub.remoteIdentity = .any
        hub.remoteAddress = nil
        var credentials = CredentialStore()
        credentials.addPresharedKey(
            SecretBytes(Array(setup.secret.utf8)),
            local: .any,
            remote: .any
        )
        _ = initiator.setConnections(peers, credentials: credentials, at: now)
        _ = responder.setConnections([hub], credentials: credentials, at: now)
    }

    func connect(_ count: Int) {
        for _ in 0..<count { _ = connectOne() }
    }

    /// What the median handshake costs each end.
    func costs(of count: Int) -> (initiator: Cost, responder: Cost) {
        let all = (0..<count).map { _ in connectOne() }
        return (.median(of: all.map(\.initiator)), .median(of: all.map(\.responder)))
    }

    private func connectOne() -> (initiator: Cost, responder: Cost) {
        var cost = (initiator: Cost(), responder: Cost())
        let initiation = IKEEvent.Initiation(connection: "peer\(begun)", child: "net")
        begun += 1
        now = now + .milliseconds(1)
        var sent = handle(.initiate(initiation), initiator, &cost.initiator)
        while !sent.isEmpty {
            let answers = sent.flatMap { datagram in
                handle(.datagram(turned(datagram)), responder, &cost.responder)
            }
            sent = answers.flatMap { datagram in
                handle(.datagram(turned(datagram)), initiator, &cost.initiator)
            }
        }
        return cost
    }

    private func handle(
        _ event: IKEEvent,
        _ engine: IKEEngine,
        _ cost: inout Cost
    ) -> [IKEDatagram] {
        let before = Cost.now
        let effects = engine.handle(event, at: now)
        cost += Cost.now - before
        return effects.compactMap { effect in
            switch effect {
            case .send(let datagram): return datagram
            case .installChildSA:
                if engine === responder { established += 1 }
                return nil
            default: return nil
            }
        }
    }

    /// As the other end sees it.
    private func turned(_ datagram: IKEDatagram) -> IKEDatagram {
        IKEDatagram(bytes: datagram.bytes, local: datagram.remote, remote: datagram.local)
    }
}
