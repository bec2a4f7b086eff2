/// The version of the Internet Protocol.
package enum IPVersion: UInt8, Hashable, Sendable {
    case v4 = 4
    case v6 = 6

    /// The width of an address in bits.
    package var addressBits: Int { self == .v4 ? 32 : 128 }
}

/// An IPv4 or IPv6 address.
package enum IPAddress: Hashable, Sendable {
    case v4(IPv4Address)
    case v6(IPv6Address)

    /// Text of either version; nil when it is neither.
    package init?(_ text: some StringProtocol) {
        if let address = IPv4Address(text) {
            self = .v4(address)
        } else if let address = IPv6Address(text) {
            self = .v6(address)
        } else {
            return nil
        }
    }

    /// As the generic one, for what messages and sockets have.
    package init?(bytes: [UInt8]) {
        self.init(span: bytes.span)
    }

    package init?(bytes: ArraySlice<UInt8>) {
        self.init(span: bytes.span)
    }

    private init?(span: Span<UInt8>) {
        switch span.count {
        case 4:
            var bits: UInt32 = 0
            for index in 0..<4 { bits = bits << 8 | UInt32(span[index]) }
            self = .v4(IPv4Address(bits: bits))
        case 16:
            var bits: UInt128 = 0
            for index in 0..<16 { bits = bits << 8 | UInt128(span[index]) }
            self = .v6(IPv6Address(bits: bits))
        default: return nil
        }
    }

    /// Four or sixteen bytes in network order; nil for another count.
    package init?(bytes: some Collection<UInt8>) {
        if let address = IPv4Address(bytes: bytes) {
            self = .v4(address)
        } else if let address = IPv6Address(bytes: bytes) {
            self = .v6(address)
        } else {
            return nil
        }
    }

    /// The address whose bits are the low 32 or 128 bits of `bits`.
    package init(version: IPVersion, bits: UInt128) {
        switch version {
        case .v4: self = .v4(IPv4Address(bits: UInt32(truncatingIfNeeded: bits)))
        case .v6: self = .v6(IPv6Address(bits: bits))
        }
    }

    package var version: IPVersion {
        switch self {
        case .v4: .v4
        case .v6: .v6
        }
    }

    /// The address as a number in the low bits, in host order.
    package var bits: UInt128 {
        switch self {
        case .v4(let address): UInt128(address.bits)
        case .v6(let address): address.bits
        }
    }

    /// Four or sixteen bytes in network order.
    package var bytes: [UInt8] {
        switch self {
        case .v4(let address): address.bytes
        case .v6(let address): address.bytes
        }
    }

    /// `0.0.0.0` or `::`.
    package var isUnspecified: Bool { bits == 0 }

    package static func unspecified(_ version: IPVersion) -> IPAddress {
        IPAddress(version: version, bits: 0)
    }
}

extension IPAddress: CustomStringConvertible {
    package var description: String {
        switch self {
        case .v4(let address): address.description
        case .v6(let address): address.description
        }
    }
}

/// An address and a UDP or TCP port.
package struct Endpoint: Hashable, Sendable {
    package var address: IPAddress
    package var port: UInt16

    package init(address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }
}

extension Endpoint: CustomStringConvertible {
    /// `192.0.2.1:500` or `[2001:db8::1]:500`.
    package var description: String {
        switch address {
        case .v4(let address): "\(address):\(port)"
        case .v6(let address): "[\(address)]:\(port)"
        }
    }
}
