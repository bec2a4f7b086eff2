/// The selectors whose values an SA takes from the packet that asks for it, and not from its policy: the
/// "populate from packet" flags of RFC 4301 §4.4.1.
package struct PopulatedSelectors: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let localAddress = PopulatedSelectors(rawValue: 1)
    package static let remoteAddress = PopulatedSelectors(rawValue: 2)
    package static let ipProtocol = PopulatedSelectors(rawValue: 4)
    /// The port, or the type and code of a protocol that has those. It means nothing without the
    /// protocol, which goes with it.
    package static let localPort: PopulatedSelectors = [.ipProtocol, .init(rawValue: 8)]
    package static let remotePort: PopulatedSelectors = [.ipProtocol, .init(rawValue: 16)]

    package static let addresses: PopulatedSelectors = [.localAddress, .remoteAddress]

    /// Whether a packet whose ports cannot be seen has no SA: RFC 4301 §4.4.2.2 calls OPAQUE from a
    /// packet an error.
    package var needPorts: Bool { contains(.localPort) || contains(.remotePort) }
}

extension PopulatedSelectors: CustomStringConvertible {
    /// What each SA is for: `pair of addresses`, `remote address and remote port`.
    package var description: String {
        var words: [String] = []
        if contains(.addresses) {
            words.append("pair of addresses")
        } else if contains(.localAddress) {
            words.append("local address")
        } else if contains(.remoteAddress) {
            words.append("remote address")
        }
        if contains(.localPort) { words.append("local port") }
        if contains(.remotePort) { words.append("remote port") }
        // A port is one of a protocol.
        if contains(.ipProtocol), !needPorts { words.append("protocol") }
        guard let last = words.last, words.count > 1 else { return words.first ?? "nothing" }
        return words.dropLast().joined(separator: ", ") + " and " + last
    }
}

extension IPProtocolName {
    /// Whether packets of a protocol show ports, or types (RFC 4301 §4.4.1.1).
    package static func hasPorts(_ number: UInt8) -> Bool {
        switch number {
        case 1, 6, 17, 33, 58, 132, 135, 136: true
        default: false
        }
    }
}
