import IPsecPrimitives
import Testing

@testable import IKEProtocol

/// Narrowing held against what it means for single packets, with policies and offers drawn at
/// random from a small world, in which ranges, ports and protocols meet in every way.
@Suite("Narrowing, packet by packet")
struct NarrowingPropertyTests {
    @Test("what is agreed is what both allow, no more and no less", arguments: 0..<400)
    func exact(seed: UInt64) {
        var world = World(seed: seed)
        let offered = world.pair()
        let policy = world.policy(named: "a")
        let agreed = offered.intersection(policy.selectors)
        for packet in world.packets(300) {
            let isAllowed = packet.isIn(offered) && packet.isIn(policy.selectors)
            #expect((agreed.map(packet.isIn) ?? false) == isAllowed, "\(packet)")
        }
        if let agreed {
            #expect(offered.covers(agreed) && policy.selectors.covers(agreed))
            #expect(offered.allows(agreed))
        }
    }

    @Test(
        "the choice lies within the offer and one policy, with the first pair",
        arguments: 0..<400
    )
    func choice(seed: UInt64) {
        var world = World(seed: 10_000 + seed)
        let offered = world.pair()
        let policies = (0..<3).map { world.policy(named: "\($0)", mayBePopulated: true) }
        guard case .chosen(let choice) = TrafficSelectorNarrowing.choose(offered, among: policies)
        else {
            #expect(
                policies.allSatisfy {
                    !$0.populated.isEmpty || offered.intersection($0.selectors) == nil
                }
            )
            return
        }
        #expect(offered.covers(choice.selectors))
        #expect(choice.policy.selectors.covers(choice.selectors))
        #expect(choice.selectors.isPopulated(choice.policy.populated))
        // RFC 7296 §2.9: a policy that allows the first pair gives a result that includes it.
        let mayIncludeFirst = policies.contains { policy in
            policy.populated.isEmpty && policy.selectors.coversFirst(of: offered)
        }
        if mayIncludeFirst, offered.local[0].mayMeet(offered.remote[0]) {
            #expect(choice.selectors.coversFirst(of: offered))
        }
        let isWhole = policies.allSatisfy { policy in
            offered.intersection(policy.selectors).map(choice.selectors.covers) ?? true
        }
        #expect(choice.isMorePossible == !isWhole)
        let again = TrafficSelectorNarrowing.choose(offered, among: policies)
        guard case .chosen(let second) = again else {
            Issue.record("another choice")
            return
        }
        #expect(second.selectors == choice.selectors && second.policy == choice.policy)
    }

    @Test("an offer lies within the policy, begins with the packet, and loses nothing")
    func offers() {
        for seed in UInt64(0)..<300 {
            var world = World(seed: 20_000 + seed)
            let policy = world.policy(named: "a", mayBePopulated: true)
            for packet in world.packets(20) {
                let selector = packet.selector
                let offer = TrafficSelectorNarrowing.offer(policy, packet: selector)
                #expect(policy.selectors.covers(offer))
                guard policy.selectors.covers(selector) else {
                    #expect(offer == policy.selectors)
                    continue
                }
                #expect(offer.covers(selector) && offer.coversFirst(of: offer))
                if !policy.populated.isEmpty, !policy.populated.needPorts || packet.showsPorts {
                    #expect(offer.isPopulated(policy.populated))
                    for other in world.packets(20) {
                        let belongs =
                            other.isIn(policy.selectors) && other.has(packet, policy.populated)
                        #expect(other.isIn(offer) == belongs, "\(other) beside \(packet)")
                    }
                } else {
                    #expect(offer.covers(policy.selectors))
                }
            }
        }
    }

    @Test("several selectors cover one together")
    func together() {
        let wide = TrafficSelector(prefix: IPPrefix("10.0.0.0/23")!)
        let halves = ["10.0.0.0/24", "10.0.1.0/24"].map { TrafficSelector(prefix: IPPrefix($0)!) }
        #expect(wide.isCovered(by: halves))
        #expect(!wide.isCovered(by: [halves[0]]))
        func tcp(_ ports: PortRange) -> TrafficSelector {
            TrafficSelector(prefix: IPPrefix("10.0.0.0/24")!, ipProtocol: 6, ports: ports)!
        }
        let low = tcp(PortRange(0, through: 999)!)
        let high = tcp(PortRange(1000, through: .max)!)
        // RFC 4301 §4.4.1.1: ANY includes OPAQUE, which no range of ports does.
        #expect(!tcp(.any).isCovered(by: [low, high]))
        #expect(tcp(.any).isCovered(by: [low, tcp(.opaque), high]))
        #expect(tcp(PortRange(5, through: 2000)!).isCovered(by: [low, high]))
    }

    @Test("more selectors than a payload holds are cut behind the first")
    func overflow() {
        let many = (0..<255).map { number in
            TrafficSelector(
                address: .v4(IPv4Address(bits: 0x0a00_0000 + UInt32(number) * 2))
            )
        }
        let ports = (0..<10).map { number in
            TrafficSelector(
                prefix: IPPrefix("10.0.0.0/16")!,
                ipProtocol: 6,
                ports: PortRange(UInt16(number) * 10)
            )!
        }
        let offered = TrafficSelectorPair(local: many, remote: many)
        let policy = TrafficSelectorPair(local: ports, remote: ports)
        let agreed = offered.intersection(policy)
        #expect(agreed?.local.count == 255)
        #expect(agreed?.local.first?.first == many[0].first)
        #expect(agreed.map(offered.covers) == true && agreed.map(policy.covers) == true)
    }
}

/// What a peer with 255 selectors a side, each made to cost, can make us compute.
@Suite("The cost of narrowing", .timeLimit(.minutes(2)))
struct NarrowingCostTests {
    private func tcp(_ first: UInt32, _ last: UInt32, _ ports: PortRange) -> TrafficSelector {
        TrafficSelector(
            first: .v4(IPv4Address(bits: 0x0a00_0000 + first)),
            last: .v4(IPv4Address(bits: 0x0a00_0000 + last)),
            ipProtocol: 6,
            ports: ports
        )!
    }

    private func policy(_ name: String, _ selectors: [TrafficSelector]) -> ChildPolicy {
        ChildPolicy(
            name: name,
            source: "a.yaml:1",
            proposals: [],
            localSelectors: selectors,
            remoteSelectors: selectors
        )
    }

    /// Hosts that all results are compared with, then networks of which each is wider than all
    /// before: each pair of them meets, covers what was found and takes its place.
    private var growing: [TrafficSelector] {
        (0..<85).map { tcp($0, $0, .any) }
            + (0..<170).map { tcp(1000 - $0, 1000 + $0, .any) }
    }

    /// Wide and shifted networks, each with ports that lie in no other: nothing covers anything,
    /// and each cuts each into pieces.
    private var splinters: [TrafficSelector] {
        (0..<255).map { number in
            tcp(
                number * 7,
                60_000 + number * 11,
                PortRange(UInt16(number) * 100, through: UInt16(number) * 100 + 25_000)!
            )
        }
    }

    @Test("is bounded, and what comes of it stays within both")
    func bounded() {
        for hostile in [growing, splinters, splinters.reversed()] {
            let offered = TrafficSelectorPair(local: hostile, remote: hostile)
            let policies = [
                policy("a", Array(growing.shuffled(seed: 1).prefix(200))),
                policy("b", splinters.map { tcp($0.first.low, $0.last.low - 5000, $0.ports) }),
                policy("c", splinters), policy("d", [tcp(0, 30_000, .any)]),
            ]
            var work = SelectorWork()
            let outcome = TrafficSelectorNarrowing.choose(offered, among: policies, &work)
            #expect(work.spent <= SelectorWork.limit)
            // Who makes it cost too much may get nothing.
            guard case .chosen(let choice) = outcome else {
                #expect(work.isExhausted)
                continue
            }
            // Each result is a part of one selector of either: told without a union.
            for part in choice.selectors.local {
                let isWithin =
                    offered.local.contains { $0.covers(part) }
                    && choice.policy.localSelectors.contains { $0.covers(part) }
                #expect(isWithin, "\(part)")
            }
        }
    }

    @Test("ends where the work does: more is possible then, and an answer is refused")
    func ends() {
        let wide = [tcp(0, 70_000, .any)]
        let offered = TrafficSelectorPair(local: splinters, remote: splinters)
        let policies = [
            policy("a", wide.map { tcp($0.first.low, 61_000, .any) }), policy("b", wide),
        ]
        var work = SelectorWork()
        let outcome = TrafficSelectorNarrowing.choose(offered, among: policies, &work)
        guard case .chosen(let choice) = outcome else {
            Issue.record("nothing chosen")
            return
        }
        let isMorePossible = choice.isMorePossible
        #expect(isMorePossible)
        // Cut into pieces, each by each, until no work is left.
        let answer = TrafficSelectorPair(
            local: splinters.map { tcp($0.first.low, $0.last.low, .any) },
            remote: wide
        )
        var rest = SelectorWork()
        #expect(!TrafficSelectorPair(local: splinters, remote: wide).covers(answer, &rest))
        #expect(rest.spent <= SelectorWork.limit)
        var none = SelectorWork(limit: 0)
        #expect(offered.intersection(policies[1].selectors, &none) == nil)
    }

    @Test("leaves room for two full payloads of honest ends")
    func honest() {
        let many = (0..<255).map { tcp(UInt32($0) * 256, UInt32($0) * 256 + 255, .any) }
        let offered = TrafficSelectorPair(local: many, remote: many)
        var work = SelectorWork()
        let outcome = TrafficSelectorNarrowing.choose(offered, among: [policy("a", many)], &work)
        guard case .chosen(let choice) = outcome else {
            Issue.record("nothing chosen")
            return
        }
        let isWhole = choice.selectors == offered && !choice.isMorePossible
        #expect(isWhole)
        #expect(work.spent < SelectorWork.limit / 4, "\(work.spent)")
    }

    @Test("with any amount of work the result lies within the exact one", arguments: 0..<200)
    func starved(seed: UInt64) {
        var world = World(seed: 30_000 + seed)
        let offered = world.pair(of: 12)
        let policy = world.policy(named: "a", of: 12)
        let exact = offered.intersection(policy.selectors)
        for limit in [0, 1, 20, 100, 300, 1000] {
            var work = SelectorWork(limit: limit)
            guard let part = offered.intersection(policy.selectors, &work) else { continue }
            #expect(work.spent <= limit)
            #expect(exact?.covers(part) == true)
            if !work.isExhausted { #expect(part == exact) }
            for packet in world.packets(40) where packet.isIn(part) {
                #expect(packet.isIn(offered) && packet.isIn(policy.selectors))
            }
            // "Covered" is never said of what is not.
            var little = SelectorWork(limit: limit)
            if part.covers(offered, &little) { #expect(part.covers(offered)) }
        }
    }

    @Test("many selectors agree with the naive way, packet by packet", arguments: 0..<40)
    func naive(seed: UInt64) {
        var world = World(seed: 40_000 + seed)
        let offered = world.pair(of: 60)
        let policy = world.policy(named: "a", of: 60)
        let agreed = offered.intersection(policy.selectors)
        for packet in world.packets(300) {
            let isAllowed = packet.isIn(offered) && packet.isIn(policy.selectors)
            #expect((agreed.map(packet.isIn) ?? false) == isAllowed, "\(packet)")
        }
    }
}

extension IPAddress {
    /// Counted from 10.0.0.0.
    fileprivate var low: UInt32 { UInt32(bits) - 0x0a00_0000 }
}

extension [TrafficSelector] {
    fileprivate func shuffled(seed: UInt64) -> [TrafficSelector] {
        var random = SeededRandomSource(seed: seed)
        return map { ($0, random.next32()) }.sorted { $0.1 < $1.1 }.map(\.0)
    }
}

/// One packet as a policy sees it.
private struct Packet: CustomStringConvertible {
    let source: IPAddress
    let destination: IPAddress
    let ipProtocol: UInt8
    /// Nil where they cannot be seen.
    let ports: (source: UInt16, destination: UInt16)?

    func isIn(_ pair: TrafficSelectorPair) -> Bool {
        pair.local.contains {
            $0.contains(source, ipProtocol: ipProtocol, port: ports?.source)
        }
            && pair.remote.contains {
                $0.contains(destination, ipProtocol: ipProtocol, port: ports?.destination)
            }
    }

    /// Whether a packet of its protocol may show ports here, and it does.
    var showsPorts: Bool { ports != nil || ipProtocol == 50 }

    /// Whether it has the values of another packet.
    func has(_ other: Packet, _ selectors: PopulatedSelectors) -> Bool {
        (!selectors.contains(.localAddress) || source == other.source)
            && (!selectors.contains(.remoteAddress) || destination == other.destination)
            && (!selectors.contains(.ipProtocol) || ipProtocol == other.ipProtocol)
            && (!selectors.contains(.localPort) || ports?.source == other.ports?.source)
            && (!selectors.contains(.remotePort) || ports?.destination == other.ports?.destination)
    }

    var selector: PacketSelector {
        func side(_ address: IPAddress, _ port: UInt16?) -> TrafficSelector {
            TrafficSelector(
                first: address,
                last: address,
                ipProtocol: ipProtocol,
                ports: port.map { PortRange($0) } ?? .any
            )!
        }
        return PacketSelector(
            source: side(source, ports?.source),
            destination: side(destination, ports?.destination)
        )
    }

    var description: String {
        "\(source) \(destination) \(ipProtocol) \(String(describing: ports))"
    }
}

/// Eight addresses a version, three protocols, eight ports: everything meets everything.
private struct World {
    private var random: SeededRandomSource

    init(seed: UInt64) { random = SeededRandomSource(seed: seed) }

    private mutating func below(_ bound: UInt32) -> UInt32 { random.next32() % bound }

    private mutating func bounds(_ count: UInt32) -> (UInt32, UInt32) {
        let (one, two) = (below(count), below(count))
        return (min(one, two), max(one, two))
    }

    private func address(_ number: UInt32, _ version: IPVersion) -> IPAddress {
        let base: UInt128 = version == .v4 ? 0x0a00_0000 : 0x2001_0db8 << 96
        return IPAddress(version: version, bits: base + UInt128(number))
    }

    private mutating func selector() -> TrafficSelector {
        let version: IPVersion = below(4) == 0 ? .v6 : .v4
        let (first, last) = bounds(8)
        let ipProtocol = [UInt8(0), 0, 6, 17, 1][Int(below(5))]
        var ports = PortRange.any
        if ipProtocol != 0 {
            switch below(4) {
            case 0: ports = .opaque
            case 1: ports = .any
            default:
                let (lower, upper) = bounds(8)
                ports = PortRange(UInt16(lower), through: UInt16(upper))!
            }
        }
        return TrafficSelector(
            first: address(first, version),
            last: address(last, version),
            ipProtocol: ipProtocol,
            ports: ports
        )!
    }

    /// - Parameter count: the most selectors of one side.
    mutating func pair(of count: UInt32 = 4) -> TrafficSelectorPair {
        TrafficSelectorPair(
            local: (0...below(count)).map { _ in selector() },
            remote: (0...below(count)).map { _ in selector() }
        )
    }

    mutating func policy(
        named name: String,
        of count: UInt32 = 4,
        mayBePopulated: Bool = false
    ) -> ChildPolicy {
        let pair = pair(of: count)
        var policy = ChildPolicy(
            name: name,
            source: "a.yaml:1",
            proposals: [],
            localSelectors: pair.local,
            remoteSelectors: pair.remote
        )
        if mayBePopulated, below(3) == 0 {
            let all: [PopulatedSelectors] = [
                .localAddress, .remoteAddress, .ipProtocol, .localPort, .remotePort,
            ]
            for selector in all where below(2) == 0 { policy.populated.formUnion(selector) }
        }
        return policy
    }

    mutating func packets(_ count: Int) -> [Packet] {
        (0..<count).map { _ in
            let version: IPVersion = below(4) == 0 ? .v6 : .v4
            let ipProtocol = [UInt8(6), 17, 1, 50][Int(below(4))]
            let isVisible = ipProtocol != 50 && below(5) != 0
            return Packet(
                source: address(below(9), version),
                destination: address(below(9), version),
                ipProtocol: ipProtocol,
                ports: isVisible ? (UInt16(below(9)), UInt16(below(9))) : nil
            )
        }
    }
}
