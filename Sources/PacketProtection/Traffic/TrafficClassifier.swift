internal import IPsecPrimitives

/// Tells to which class of its shaper a packet belongs.
///
/// The rules of all shapers lie behind one another, each list of them in one array: to look at them
/// counts no reference.
struct TrafficClassifier {
    /// Entries of one of the lists below.
    private struct Part {
        var first: Int32 = 0
        var count: Int32 = 0
    }

    private struct Rule {
        var codePoints: UInt64
        /// As in `TrafficRule`.
        var marks: UInt64
        var protocols = Part()
        var ports = Part()
        var local = Part()
        var remote = Part()
        var category: UInt8
    }

    private struct Addresses {
        var first: UInt128
        var last: UInt128
        var isV4: Bool
    }

    /// Where the rules of one shaper are.
    struct RuleSet: Hashable {
        fileprivate var first: Int32
        fileprivate var count: Int32
        /// Index of the class that has what no rule covers.
        fileprivate var rest: UInt8
    }

    private var rules: [Rule] = []
    private var protocols: [UInt8] = []
    private var ports: [ClosedRange<UInt16>] = []
    private var addresses: [Addresses] = []
    private var known: [[TrafficClass]: RuleSet] = [:]

    /// Takes in the classes of a shaper; those that were taken in before take nothing.
    mutating func add(_ classes: [TrafficClass]) -> RuleSet {
        if let same = known[classes] { return same }
        let first = rules.count
        for (index, category) in classes.enumerated() {
            for rule in category.rules { append(rule, category: UInt8(index)) }
        }
        let result = RuleSet(
            first: Int32(first),
            count: Int32(rules.count - first),
            rest: UInt8(classes.count - 1)
        )
        known[classes] = result
        return result
    }

    private mutating func append(_ rule: TrafficRule, category: UInt8) {
        var flat = Rule(
            codePoints: rule.codePoints ?? .max,
            marks: rule.marks ?? .max,
            category: category
        )
        flat.protocols = Part(first: Int32(protocols.count), count: Int32(rule.protocols.count))
        protocols += rule.protocols
        flat.ports = Part(first: Int32(ports.count), count: Int32(rule.ports.count))
        ports += rule.ports
        flat.local = append(rule.local)
        flat.remote = append(rule.remote)
        rules.append(flat)
    }

    private mutating func append(_ selectors: [TrafficSelector]) -> Part {
        let part = Part(first: Int32(addresses.count), count: Int32(selectors.count))
        addresses += selectors.map {
            Addresses(first: $0.first.bits, last: $0.last.bits, isV4: $0.version == .v4)
        }
        return part
    }

    /// Index of the class of a packet that leaves.
    ///
    /// - Parameter mark: which of the configured marks it has, 0 for none.
    func category(of packet: InnerPacket, mark: UInt8, in set: RuleSet) -> Int {
        for index in Int(set.first)..<Int(set.first &+ set.count)
        where covers(index, packet, mark) {
            return Int(rules[index].category)
        }
        return Int(set.rest)
    }

    private func covers(_ index: Int, _ packet: InnerPacket, _ mark: UInt8) -> Bool {
        let rule = rules[index]
        let isCovered =
            rule.codePoints >> UInt64(packet.trafficClass >> 2) & rule.marks >> UInt64(mark) & 1
        guard isCovered != 0 else { return false }
        return (rule.protocols.count == 0 || hasProtocol(rule.protocols, packet))
            && (rule.ports.count == 0 || hasPort(rule.ports, packet))
            && (rule.local.count == 0 || has(rule.local, packet.source, isV4: packet.isV4))
            && (rule.remote.count == 0 || has(rule.remote, packet.destination, isV4: packet.isV4))
    }

    private func hasProtocol(_ part: Part, _ packet: InnerPacket) -> Bool {
        for index in Int(part.first)..<Int(part.first &+ part.count)
        where protocols[index] == packet.ipProtocol {
            return true
        }
        return false
    }

    private func hasPort(_ part: Part, _ packet: InnerPacket) -> Bool {
        // What ICMP has in their place are no ports.
        guard packet.hasPorts, packet.ipProtocol != 1, packet.ipProtocol != 58 else { return false }
        for index in Int(part.first)..<Int(part.first &+ part.count)
        where ports[index].contains(packet.sourcePort)
            || ports[index].contains(packet.destinationPort)
        {
            return true
        }
        return false
    }

    private func has(_ part: Part, _ address: UInt128, isV4: Bool) -> Bool {
        for index in Int(part.first)..<Int(part.first &+ part.count)
        where addresses[index].isV4 == isV4 && addresses[index].first <= address
            && address <= addresses[index].last
        {
            return true
        }
        return false
    }
}
