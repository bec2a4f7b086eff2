/// A range of addresses, an IP protocol and a range of ports (RFC 7296 §3.13.1, RFC 4301 §4.4.1.1).
///
/// Bounds are of one version and in order: a value that says otherwise cannot be made.
package struct TrafficSelector: Hashable, Sendable {
    package let first: IPAddress
    package let last: IPAddress
    /// The IP protocol number; 0 stands for any.
    package let ipProtocol: UInt8
    package let ports: PortRange

    /// Nil when the bounds are of two versions or upside down, or when ports are given for any
    /// protocol (RFC 7296 §3.13.1 asks for 0 to 65535 then).
    package init?(
        first: IPAddress,
        last: IPAddress,
        ipProtocol: UInt8 = 0,
        ports: PortRange = .any
    ) {
        guard first.version == last.version, first.bits <= last.bits else { return nil }
        guard ipProtocol != 0 || ports.isAny else { return nil }
        self.first = first
        self.last = last
        self.ipProtocol = ipProtocol
        self.ports = ports
    }

    package init(prefix: IPPrefix) {
        first = prefix.first
        last = prefix.last
        ipProtocol = 0
        ports = .any
    }

    /// As `init(prefix:)` for one protocol. Nil when ports are given for any protocol.
    package init?(prefix: IPPrefix, ipProtocol: UInt8, ports: PortRange = .any) {
        self.init(
            first: prefix.first,
            last: prefix.last,
            ipProtocol: ipProtocol,
            ports: ports
        )
    }

    package init(address: IPAddress) {
        first = address
        last = address
        ipProtocol = 0
        ports = .any
    }

    /// Every packet of a version.
    package static func everything(_ version: IPVersion) -> TrafficSelector {
        switch version {
        case .v4: TrafficSelector(prefix: IPPrefix(address: .unspecified(.v4), length: 0)!)
        case .v6: TrafficSelector(prefix: IPPrefix(address: .unspecified(.v6), length: 0)!)
        }
    }

    package var version: IPVersion { first.version }

    /// The networks that make up the address range.
    package var prefixes: [IPPrefix] { IPPrefix.covering(first, through: last) }

    package func contains(_ address: IPAddress) -> Bool {
        address.version == version && first.bits <= address.bits && address.bits <= last.bits
    }

    /// Whether one side of a packet lies within.
    ///
    /// - Parameter port: the port of that side, or ICMP type and code; nil when it cannot be seen,
    ///   which only ANY and OPAQUE cover (RFC 4301 §4.4.1.1).
    package func contains(_ address: IPAddress, ipProtocol: UInt8, port: UInt16?) -> Bool {
        guard contains(address) else { return false }
        guard self.ipProtocol == 0 || self.ipProtocol == ipProtocol else { return false }
        guard let port else { return ports.isAny || ports.isOpaque }
        return !ports.isOpaque && ports.contains(port)
    }

    /// Whether each packet that `other` covers is covered here too.
    package func covers(_ other: TrafficSelector) -> Bool {
        version == other.version && first.bits <= other.first.bits && other.last.bits <= last.bits
            && (ipProtocol == 0 || ipProtocol == other.ipProtocol) && ports.covers(other.ports)
    }

    /// What both cover; nil when that is nothing.
    package func intersection(_ other: TrafficSelector) -> TrafficSelector? {
        guard version == other.version else { return nil }
        guard ipProtocol == 0 || other.ipProtocol == 0 || ipProtocol == other.ipProtocol else {
            return nil
        }
        guard let ports = ports.intersection(other.ports) else { return nil }
        return TrafficSelector(
            first: IPAddress(version: version, bits: max(first.bits, other.first.bits)),
            last: IPAddress(version: version, bits: min(last.bits, other.last.bits)),
            ipProtocol: max(ipProtocol, other.ipProtocol),
            ports: ports
        )
    }
}

extension TrafficSelector: CustomStringConvertible {
    /// `10.1.0.0/16`, `10.1.0.5-10.1.0.9[tcp/443]`, `2001:db8::/32[udp/1000-2000]`; for ICMP with
    /// type and code, `10.1.0.0/16[icmp/8]`, `10.1.0.0/16[icmp/3(4)]`.
    package var description: String {
        let networks = prefixes
        let range = networks.count == 1 ? networks[0].description : "\(first)-\(last)"
        guard ipProtocol != 0 else { return range }
        let name = IPProtocolName.name(of: ipProtocol)
        if ports.isAny { return "\(range)[\(name)]" }
        if ports.isOpaque { return "\(range)[\(name)/opaque]" }
        let numbers =
            switch ipProtocol {
            case 1, 58: ports.typesAndCodes
            case 135: ports.types
            default: ports.numbers
            }
        return "\(range)[\(name)/\(numbers)]"
    }
}

extension PortRange {
    fileprivate var numbers: String { lower == upper ? "\(lower)" : "\(lower)-\(upper)" }

    /// RFC 7296 §3.13.1: of a Mobility Header the lower octet is 0.
    fileprivate var types: String {
        let (first, last) = (lower >> 8, upper >> 8)
        return first == last ? "\(first)" : "\(first)-\(last)"
    }

    /// A type alone stands for all its codes.
    fileprivate var typesAndCodes: String {
        let (first, last) = (lower >> 8, upper >> 8)
        if lower & 0xFF == 0, upper & 0xFF == 0xFF {
            return first == last ? "\(first)" : "\(first)-\(last)"
        }
        let start = "\(first)(\(lower & 0xFF))"
        return lower == upper ? start : "\(start)-\(last)(\(upper & 0xFF))"
    }
}

/// Names of IP protocols, as configuration and output write them.
package enum IPProtocolName {
    private static let names: [(String, UInt8)] = [
        ("icmp", 1), ("tcp", 6), ("udp", 17), ("gre", 47), ("esp", 50), ("ah", 51), ("icmpv6", 58),
        ("ospf", 89), ("l2tp", 115), ("sctp", 132), ("mobility-header", 135),
    ]

    package static var known: [String] { names.map(\.0) }

    package static func name(of number: UInt8) -> String {
        names.first { $0.1 == number }?.0 ?? String(number)
    }

    /// The number for a name or for decimal digits; nil when it is neither.
    package static func number(of text: String) -> UInt8? {
        names.first { $0.0 == text.lowercased() }?.1 ?? UInt8(text)
    }
}
