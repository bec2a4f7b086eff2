internal import IPsecPrimitives

/// Traffic selectors as the configuration writes them, and as `TrafficSelector` describes itself:
/// `10.1.0.0/16`, `10.1.0.5-10.1.0.9[tcp/443]`, `2001:db8::/32[udp/1000-2000]`.
enum SelectorText {
    static func parse(_ text: String) throws(Complaint) -> TrafficSelector {
        guard let open = text.firstIndex(of: "[") else {
            let (first, last) = try range(text)
            return try selector(first, last, 0, .any, text)
        }
        guard text.last == "]" else {
            throw Complaint(
                "\"\(shown(text))\" does not end in ]",
                hint: "write it as in 10.1.0.0/16[tcp/443]"
            )
        }
        let (first, last) = try range(String(text[..<open]))
        let inside = text[text.index(after: open)...].dropLast()
        let parts = inside.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let ipProtocol = try number(ofProtocol: String(parts[0]))
        let ports =
            parts.count == 1 ? PortRange.any : try PortText.parse(String(parts[1]), ipProtocol)
        return try selector(first, last, ipProtocol, ports, text)
    }

    static func number(ofProtocol text: String) throws(Complaint) -> UInt8 {
        guard let number = IPProtocolName.number(of: text), number != 0 else {
            let near =
                NearestWord.to(text, among: IPProtocolName.known)
                .map { "did you mean \($0)? " } ?? ""
            throw Complaint(
                "\"\(shown(text))\" is not an IP protocol",
                hint: "\(near)Write a number from 1 to 255 or "
                    + WordText.alternatives(IPProtocolName.known)
            )
        }
        return number
    }

    private static func selector(
        _ first: IPAddress,
        _ last: IPAddress,
        _ ipProtocol: UInt8,
        _ ports: PortRange,
        _ text: String
    ) throws(Complaint) -> TrafficSelector {
        guard
            let selector = TrafficSelector(
                first: first,
                last: last,
                ipProtocol: ipProtocol,
                ports: ports
            )
        else {
            throw Complaint(
                "\"\(shown(text))\" is not a network",
                hint: "write it as in 10.1.0.0/16[tcp/443]"
            )
        }
        let isOfOtherVersion =
            switch ipProtocol {
            case 1: first.version == .v6
            case 58, 135: first.version == .v4
            default: false
            }
        guard !isOfOtherVersion else {
            throw Complaint(
                "\(IPProtocolName.name(of: ipProtocol)) does not occur with \(first)",
                hint: "write icmp with IPv4 addresses, icmpv6 or mobility-header with IPv6 ones"
            )
        }
        return selector
    }

    private static func range(
        _ text: String
    ) throws(Complaint) -> (first: IPAddress, last: IPAddress) {
        if let prefix = IPPrefix(text) { return (prefix.first, prefix.last) }
        let bounds = text.split(separator: "-", omittingEmptySubsequences: false)
        if bounds.count == 2 {
            guard let first = IPAddress(bounds[0]), let last = IPAddress(bounds[1]) else {
                throw Complaint(
                    "\"\(shown(text))\" is not a range of addresses",
                    hint: "write the first and the last, as in 10.1.0.5-10.1.0.9"
                )
            }
            guard first.version == last.version, first.bits <= last.bits else {
                throw Complaint(
                    "the range \(first)-\(last) has no addresses",
                    hint: "write the lower address first, both of one IP version"
                )
            }
            return (first, last)
        }
        throw Complaint("\"\(shown(text))\" is not a network", hint: networkHint(text))
    }

    /// A network with bits behind its length set is the likeliest slip: say the one that was meant.
    private static func networkHint(_ text: String) -> String {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        if parts.count == 2, let address = IPAddress(parts[0]), let length = Int(parts[1]),
            (0...address.version.addressBits).contains(length)
        {
            let width = UInt128(address.version.addressBits)
            let mask = width == UInt128(length) ? 0 : (UInt128(1) << (width - UInt128(length))) &- 1
            // A shift by the whole width of 128 bits gives 0, and 0 - 1 all ones, as it should.
            let network = IPAddress(version: address.version, bits: address.bits & ~mask)
            return "write \(network)/\(length) for the network, or \(address) for the host"
        }
        return "write a network, an address or a range, as in 10.1.0.0/16, 10.1.0.5 or "
            + "10.1.0.5-10.1.0.9"
    }
}

/// Ports, and the types and codes of ICMP, which travel in their place (RFC 7296 §3.13.1).
enum PortText {
    /// `443`, `1000-2000`, `any`, `opaque`; for ICMP `8`, `8-10`, `8(0)`, for a Mobility Header `5`, `5-6`.
    static func parse(_ text: String, _ ipProtocol: UInt8) throws(Complaint) -> PortRange {
        if text == "any" { return .any }
        if text == "opaque" { return .opaque }
        let kind = Kind(ipProtocol)
        let bounds = text.split(separator: "-", omittingEmptySubsequences: false)
        let pairs = bounds.compactMap { kind.parse($0) }
        guard (1...2).contains(bounds.count), pairs.count == bounds.count, let first = pairs.first,
            let last = pairs.last
        else {
            throw Complaint(
                "\"\(shown(text))\" is not \(kind.name)",
                hint: kind.hint
            )
        }
        guard let range = PortRange(first.lower, through: last.upper) else {
            throw Complaint(
                "the range \(shown(text)) is upside down",
                hint: "write the lower number first"
            )
        }
        return range
    }

    /// What stands in the place of ports.
    private enum Kind {
        case ports
        case typesAndCodes
        case types

        init(_ ipProtocol: UInt8) {
            switch ipProtocol {
            case 1, 58: self = .typesAndCodes
            case 135: self = .types
            default: self = .ports
            }
        }

        var name: String {
            switch self {
            case .ports: "a port"
            case .typesAndCodes: "an ICMP type"
            case .types: "a Mobility Header type"
            }
        }

        var hint: String {
            switch self {
            case .ports: "write a port or a range of them, as in 443 or 1000-2000"
            case .typesAndCodes:
                "write a type from 0 to 255, with or without a code, as in 8 or 3(4)"
            case .types: "write a type from 0 to 255, or a range of them, as in 5 or 5-6"
            }
        }

        func parse(_ text: Substring) -> PortRange? {
            switch self {
            case .ports: port(text)
            case .typesAndCodes: typeAndCode(text)
            case .types: type(text)
            }
        }
    }

    private static func port(_ text: Substring) -> PortRange? {
        isDigits(text) ? UInt16(text).map { PortRange($0) } : nil
    }

    /// RFC 7296 §3.13.1: the type in the upper octet, 0 in the lower.
    private static func type(_ text: Substring) -> PortRange? {
        isDigits(text) ? UInt8(text).map { PortRange(UInt16($0) << 8) } : nil
    }

    private static func typeAndCode(_ text: Substring) -> PortRange? {
        guard let open = text.firstIndex(of: "(") else {
            return isDigits(text) ? UInt8(text).map { .icmp(type: $0) } : nil
        }
        let type = text[..<open]
        let code = text[text.index(after: open)...].dropLast()
        guard text.last == ")", isDigits(type), isDigits(code), let type = UInt8(type),
            let code = UInt8(code)
        else { return nil }
        return .icmp(type: type, code: code)
    }

    private static func isDigits(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) }
    }
}
