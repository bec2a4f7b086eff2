internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

/// The policy database gives the answer of the ordered list of RFC 4301 §4.4.1, whatever is in it.
@Suite struct PolicyClassifierTests {
    /// A kind of database that finds another weakness.
    enum Style: CaseIterable {
        /// A few addresses and ports, where everything overlaps.
        case crowded
        /// Ranges around the middle of everything, each within the one before or around it.
        case nested
        /// Networks side by side, with something behind them.
        case disjoint
        /// Prefixes of every length.
        case prefixes
        /// One pair of networks, told apart by protocols and ports.
        case ports
        /// Ranges that are no prefixes, side by side.
        case ranges
    }

    /// Numbers without end from one seed.
    struct Dice {
        var random: SeededRandomSource

        mutating func roll(_ count: UInt32) -> UInt32 { random.next32() % count }

        mutating func one<Element>(of elements: [Element]) -> Element {
            elements[Int(roll(UInt32(elements.count)))]
        }

        mutating func wide() -> UInt128 {
            (0..<4).reduce(UInt128(0)) { bits, _ in bits << 32 | UInt128(random.next32()) }
        }
    }

    // MARK: Databases

    private static func range(
        _ style: Style,
        _ version: IPVersion,
        _ index: Int,
        _ dice: inout Dice
    ) -> (IPAddress, IPAddress) {
        let limit: UInt128 = version == .v4 ? UInt128(UInt32.max) : .max
        let middle = limit / 2
        var (first, last): (UInt128, UInt128)
        switch style {
        case .crowded, .ports:
            first = middle - 8 + UInt128(dice.roll(16))
            last = first + UInt128(dice.roll(8))
            if style == .ports { (first, last) = (middle - 100, middle + 100) }
        case .nested:
            let width = UInt128(dice.one(of: [dice.roll(50), dice.roll(1 << 30)]))
            (first, last) = (middle - width, middle + width / UInt128(1 + dice.roll(3)))
        case .disjoint:
            first = UInt128(index) << 8
            last = first + 255
        case .prefixes:
            let bits = version == .v4 ? 32 : 128
            let free = UInt128(dice.roll(UInt32(bits)))
            first = ((dice.wide() & limit) >> free) << free
            last = first | (free == 0 ? 0 : limit >> (UInt128(bits) - free))
        case .ranges:
            first = UInt128(index) * 1000 + UInt128(dice.roll(500))
            last = first + UInt128(dice.roll(500))
        }
        if dice.roll(12) == 0 { (first, last) = (0, limit) }
        return (
            IPAddress(version: version, bits: min(first, last)),
            IPAddress(version: version, bits: max(first, last))
        )
    }

    private static func ports(_ style: Style, _ dice: inout Dice) -> PortRange {
        switch dice.roll(style == .ports ? 8 : 4) {
        case 0: return .any
        case 1: return .opaque
        case 2: return PortRange(UInt16(dice.roll(20)))
        default:
            let lower = UInt16(dice.one(of: [dice.roll(20), dice.roll(65_536)]))
            return PortRange(lower, through: lower + UInt16(dice.roll(UInt32(.max - lower) + 1)))!
        }
    }

    private static func database(_ style: Style, _ count: Int, _ dice: inout Dice) -> [PolicyEntry]
    {
        (0..<count).map { index in
            let pairs = (0..<(1 + dice.roll(2))).map { _ in
                let version = dice.one(of: [IPVersion.v4, .v4, .v6])
                let ipProtocol = dice.one(of: [0, 6, 17, 1, 58, 47] as [UInt8])
                func side(_ style: Style, _ dice: inout Dice) -> TrafficSelector {
                    let (first, last) = range(style, version, index, &dice)
                    return TrafficSelector(
                        first: first,
                        last: last,
                        ipProtocol: ipProtocol,
                        ports: ipProtocol == 0 ? .any : ports(style, &dice)
                    )!
                }
                return SelectorPair(
                    local: side(dice.one(of: [style, .crowded]), &dice),
                    remote: side(style, &dice)
                )
            }
            return PolicyEntry(
                identifier: PolicyIdentifier(rawValue: UInt32(index)),
                action: .discard,
                selectors: pairs
            )
        }
    }

    // MARK: Packets

    /// Near the edge of what a selector covers, on either side of it, or anywhere.
    private static func address(
        _ selector: TrafficSelector,
        _ version: IPVersion,
        _ dice: inout Dice
    ) -> IPAddress {
        let limit: UInt128 = version == .v4 ? UInt128(UInt32.max) : .max
        let (first, last) = (selector.first.bits & limit, selector.last.bits & limit)
        let bits: UInt128 =
            switch dice.roll(7) {
            case 0: first
            case 1: last
            case 2: first == 0 ? first : first - 1
            case 3: last == limit ? last : last + 1
            case 4: first + (last < first ? 0 : last - first) / 2
            case 5: limit / 2
            default: dice.wide() & limit
            }
        return IPAddress(version: version, bits: bits)
    }

    private static func port(_ selector: TrafficSelector, _ dice: inout Dice) -> UInt16 {
        let (lower, upper) = (selector.ports.lower, selector.ports.upper)
        return dice.one(of: [
            lower, upper, lower &- 1, upper &+ 1, UInt16(dice.roll(20)), UInt16(dice.roll(65_536)),
        ])
    }

    private static func packet(_ entries: [PolicyEntry], _ dice: inout Dice) -> PacketTuple {
        let pair = dice.one(of: dice.one(of: entries).selectors)
        let version = dice.roll(20) == 0 ? IPVersion.v6 : pair.local.version
        let isVisible = dice.roll(4) != 0
        let ipProtocol =
            dice.roll(4) == 0
            ? dice.one(of: [6, 17, 1, 58, 47, 0, 255]) : pair.local.ipProtocol
        return PacketTuple(
            source: address(pair.local, version, &dice),
            destination: address(pair.remote, version, &dice),
            ipProtocol: ipProtocol,
            sourcePort: isVisible ? port(pair.local, &dice) : nil,
            destinationPort: isVisible ? port(pair.remote, &dice) : nil
        )
    }

    private static func reversed(_ tuple: PacketTuple) -> PacketTuple {
        PacketTuple(
            source: tuple.destination,
            destination: tuple.source,
            ipProtocol: tuple.ipProtocol,
            sourcePort: tuple.destinationPort,
            destinationPort: tuple.sourcePort
        )
    }

    // MARK: The list

    /// RFC 4301 §4.4.1.3: for ICMP, OPAQUE at one side closes the other way only.
    private static func covers(
        _ selector: TrafficSelector,
        _ address: IPAddress,
        _ ipProtocol: UInt8,
        _ port: UInt16?,
        isTheOtherWays: Bool
    ) -> Bool {
        selector.contains(address, ipProtocol: ipProtocol, port: port)
            || isTheOtherWays && [1, 58].contains(selector.ipProtocol) && selector.ports.isOpaque
                && selector.contains(address, ipProtocol: ipProtocol, port: nil)
    }

    /// - Parameter tuple: of a packet that leaves.
    private static func naive(
        _ entries: [PolicyEntry],
        _ tuple: PacketTuple,
        isOutbound: Bool
    ) -> Int? {
        entries.firstIndex { entry in
            entry.selectors.contains { pair in
                covers(
                    pair.local,
                    tuple.source,
                    tuple.ipProtocol,
                    tuple.sourcePort,
                    isTheOtherWays: !isOutbound
                )
                    && covers(
                        pair.remote,
                        tuple.destination,
                        tuple.ipProtocol,
                        tuple.destinationPort,
                        isTheOtherWays: isOutbound
                    )
            }
        }
    }

    @Test(arguments: Style.allCases, 0..<12)
    func theAnswerIsThatOfTheList(style: Style, seed: Int) {
        var dice = Dice(random: SeededRandomSource(seed: UInt64(seed) * 977 + 5))
        let count = [1, 8, 9, 30, 120, 400][seed % 6]
        let entries = Self.database(style, count, &dice)
        let compiled = CompiledPolicies(entries)
        var answers = Set<Int>()
        for _ in 0..<400 {
            let tuple = Self.packet(entries, &dice)
            let wanted = Self.naive(entries, tuple, isOutbound: true)
            #expect(compiled.firstMatch(tuple, isOutbound: true) == wanted, "\(tuple)")
            let back = Self.reversed(tuple)
            let wantedBack = Self.naive(entries, tuple, isOutbound: false)
            #expect(compiled.firstMatch(back, isOutbound: false) == wantedBack, "\(back)")
            answers.insert(wanted ?? -1)
        }
        // The comparison says something only where there are answers to compare.
        #expect(answers.count > min(count, 8) / 4)
    }

    @Test func anEmptyDatabaseCoversNothing() {
        let tuple = PacketTuple(
            source: IPAddress("10.0.0.1")!,
            destination: IPAddress("10.0.0.2")!,
            ipProtocol: 6,
            sourcePort: 1,
            destinationPort: 2
        )
        #expect(CompiledPolicies([]).firstMatch(tuple, isOutbound: true) == nil)
    }

    /// What must not explode: every range overlaps every other, in both addresses and in the ports.
    @Test func overlapCostsNoMoreMemoryThanTheList() {
        let middle = UInt128(UInt32.max / 2)
        func selector(_ index: Int) -> TrafficSelector {
            TrafficSelector(
                first: IPAddress(version: .v4, bits: middle - UInt128(index)),
                last: IPAddress(version: .v4, bits: middle + UInt128(20_000 - index)),
                ipProtocol: 17,
                ports: PortRange(UInt16(index), through: UInt16(60_000 - index))!
            )!
        }
        let entries = (0..<3000).map { index in
            PolicyEntry(
                identifier: PolicyIdentifier(rawValue: UInt32(index)),
                action: .discard,
                selectors: [SelectorPair(local: selector(index), remote: selector(2999 - index))]
            )
        }
        let compiled = CompiledPolicies(entries)
        // Each may stand in four places, both its ranges being cut in two.
        #expect(compiled.memoryOctets < 3000 * 400)
        for index in [0, 1, 1499, 1500, 2998, 2999] {
            let tuple = PacketTuple(
                source: IPAddress(version: .v4, bits: middle - UInt128(index)),
                destination: IPAddress(version: .v4, bits: middle - UInt128(2999 - index)),
                ipProtocol: 17,
                sourcePort: UInt16(index),
                destinationPort: UInt16(2999 - index)
            )
            #expect(compiled.firstMatch(tuple, isOutbound: true) == index)
        }
    }
}
