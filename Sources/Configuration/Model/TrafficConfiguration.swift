package import IPsecPrimitives

/// How much may leave, and what leaves first (`traffic:` of the gateway, a connection or a tunnel).
package struct TrafficConfiguration: Equatable, Sendable {
    /// Bits a second of outer IP packets; nil: no limit of its own.
    package var rate: Located<UInt64?>
    /// The share of the gateway's rate beside other connections and tunnels.
    package var weight: Located<Int>
    /// In the order of the file; nil: those of the gateway.
    package var classes: [TrafficClassConfiguration]?

    package static let rates: ClosedRange<UInt64> = 64_000...400_000_000_000
    package static let weights = 1...1000
    package static let priorities = 1...8
    package static let classLimit = 16
    /// Of all classes together.
    package static let markLimit = 15

    init(location: SourceLocation) {
        rate = Located(nil, at: location)
        weight = Located(1, at: location)
    }
}

/// Packets that are treated alike (`classes:` → name).
package struct TrafficClassConfiguration: Equatable, Sendable {
    package var name: Located<String>
    /// Any of them makes a packet the class's; empty: it has what no class takes.
    package var matches: [TrafficMatchConfiguration] = []
    /// Lower numbers go first.
    package var priority = 4
    /// The share among classes of the same priority.
    package var weight = 1
    /// The most that it gets, in bits a second; nil: whatever is left.
    package var rate: Located<UInt64?>
    /// How long a packet may wait; older ones are dropped.
    package var queue = Duration.milliseconds(200)

    init(name: Located<String>) {
        self.name = name
        rate = Located(nil, at: name.location)
    }

    /// Has what no class takes, where the configuration names none that does.
    package static let rest = TrafficClassConfiguration(
        name: Located("default", at: SourceLocation(file: "", line: 0, column: 0))
    )
}

/// What tells packets of a class: all that is named, and one of each list.
package struct TrafficMatchConfiguration: Equatable, Sendable {
    /// Code points, 0 to 63 (RFC 2474 §3).
    package var codePoints: [UInt8] = []
    package var marks: [Located<FirewallMark>] = []
    package var protocols: [UInt8] = []
    /// Of either end.
    package var ports: [PortRange] = []
    /// Addresses on this side and on the other; protocols and ports stand in the lists above.
    package var local: [TrafficSelector] = []
    package var remote: [TrafficSelector] = []

    package init() {}

    /// Whether it names nothing, and so covers everything.
    var isEmpty: Bool {
        codePoints.isEmpty && marks.isEmpty && protocols.isEmpty && ports.isEmpty
            && local.isEmpty && remote.isEmpty
    }
}

// What holds where.
extension GatewayConfiguration {
    /// The classes of a connection's or a tunnel's traffic: its own, or the gateway's. The last has what
    /// the others leave.
    package func trafficClasses(_ own: TrafficConfiguration?) -> [TrafficClassConfiguration] {
        let classes = own?.classes ?? settings.traffic?.classes ?? []
        let named = classes.filter { !$0.matches.isEmpty }
        return named + [classes.first { $0.matches.isEmpty } ?? .rest]
    }
}
