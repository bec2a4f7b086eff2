package import IPsecPrimitives

/// One attribute of a Configuration payload, read (RFC 7296 §3.15.1, RFC 8598 §4).
///
/// Nil stands for an attribute without a value, which asks for one or, in an acknowledgement, says
/// that one was taken.
package enum ConfigurationAttribute: Hashable, Sendable {
    /// With IPv4, the netmask is an attribute of its own.
    case ip4Address(IPv4Address?)
    /// As the number of its leading ones.
    case ip4Netmask(Int?)
    case ip4DNS(IPv4Address?)
    case ip4NBNS(IPv4Address?)
    case ip4DHCP(IPv4Address?)
    case ip4Subnet(IPPrefix?)
    case applicationVersion(String)
    case ip6Address(InterfaceAddress?)
    case ip6DNS(IPv6Address?)
    case ip6DHCP(IPv6Address?)
    case ip6Subnet(IPPrefix?)
    case supportedAttributes([ConfigurationAttributeType])
    /// A domain whose names the DNS servers of the inside know.
    case dnsDomain(String?)
    /// Of a type that we do not know, or with a value that is none of its type: kept as it is, and
    /// to be ignored.
    case unknown(ConfigurationPayload.Attribute)

    /// An IPv6 address with the length of its network's prefix.
    package struct InterfaceAddress: Hashable, Sendable {
        package var address: IPv6Address
        package var prefixLength: UInt8

        package init(address: IPv6Address, prefixLength: UInt8) {
            self.address = address
            self.prefixLength = prefixLength
        }
    }
}

extension ConfigurationPayload {
    package init(_ type: ConfigurationType, _ attributes: [ConfigurationAttribute]) {
        self.init(type: type, attributes: attributes.map(\.wireForm))
    }

    /// The attributes by meaning, in their order.
    package var content: [ConfigurationAttribute] { attributes.map(ConfigurationAttribute.init) }
}

// MARK: - Wire

extension ConfigurationAttribute {
    package init(_ attribute: ConfigurationPayload.Attribute) {
        self = ConfigurationAttribute.known(attribute) ?? .unknown(attribute)
    }

    private static func known(
        _ attribute: ConfigurationPayload.Attribute
    ) -> ConfigurationAttribute? {
        let value = attribute.value
        switch attribute.type {
        case .internalIP4Address: return optional(value, four).map(ip4Address)
        case .internalIP4Netmask: return optional(value, maskLength).map(ip4Netmask)
        case .internalIP4DNS: return optional(value, four).map(ip4DNS)
        case .internalIP4NBNS: return optional(value, four).map(ip4NBNS)
        case .internalIP4DHCP: return optional(value, four).map(ip4DHCP)
        case .internalIP4Subnet: return optional(value, ip4Network).map(ip4Subnet)
        case .applicationVersion:
            // RFC 7296 §3.15.1: "a string of printable ASCII characters".
            return printable(value).map(applicationVersion)
        case .internalIP6Address: return optional(value, interface).map(ip6Address)
        case .internalIP6DNS: return optional(value, six).map(ip6DNS)
        case .internalIP6DHCP: return optional(value, six).map(ip6DHCP)
        case .internalIP6Subnet: return optional(value, ip6Network).map(ip6Subnet)
        case .supportedAttributes:
            guard value.count % 2 == 0 else { return nil }
            return .supportedAttributes(
                stride(from: 0, to: value.count, by: 2).map { index in
                    ConfigurationAttributeType(
                        rawValue: (UInt16(value[index]) << 8 | UInt16(value[index + 1])) & 0x7fff
                    )
                }
            )
        case .internalDNSDomain: return optional(value, printable).map(dnsDomain)
        default: return nil
        }
    }

    /// No octets are no value; those that are none of the type are nil altogether.
    private static func optional<Value>(
        _ octets: [UInt8],
        _ read: ([UInt8]) -> Value?
    ) -> Value?? {
        octets.isEmpty ? .some(nil) : read(octets).map(Optional.some)
    }

    private static func four(_ octets: [UInt8]) -> IPv4Address? { IPv4Address(bytes: octets) }
    private static func six(_ octets: [UInt8]) -> IPv6Address? { IPv6Address(bytes: octets) }

    private static func maskLength(_ octets: [UInt8]) -> Int? {
        guard let mask = IPv4Address(bytes: octets)?.bits else { return nil }
        let ones = (~mask).leadingZeroBitCount
        return ones == mask.nonzeroBitCount ? ones : nil
    }

    private static func ip4Network(_ octets: [UInt8]) -> IPPrefix? {
        guard octets.count == 8, let address = IPv4Address(bytes: octets[..<4]),
            let length = maskLength(Array(octets[4...]))
        else { return nil }
        return network(.v4(address), length)
    }

    private static func interface(_ octets: [UInt8]) -> InterfaceAddress? {
        guard octets.count == 17, octets[16] <= 128,
            let address = IPv6Address(bytes: octets[..<16])
        else { return nil }
        return InterfaceAddress(address: address, prefixLength: octets[16])
    }

    private static func ip6Network(_ octets: [UInt8]) -> IPPrefix? {
        interface(octets).flatMap { network(.v6($0.address), Int($0.prefixLength)) }
    }

    /// The network that an address is in: bits behind the length say nothing.
    private static func network(_ address: IPAddress, _ length: Int) -> IPPrefix? {
        let hostBits = UInt128(address.version.addressBits - length)
        // A shift by the whole width of 128 bits gives 0.
        let bits = (address.bits >> hostBits) << hostBits
        return IPPrefix(
            address: IPAddress(version: address.version, bits: bits),
            length: length
        )
    }

    private static func printable(_ octets: [UInt8]) -> String? {
        guard octets.allSatisfy({ (0x20...0x7e).contains($0) }) else { return nil }
        return String(validating: octets, as: UTF8.self)
    }

    package var type: ConfigurationAttributeType {
        switch self {
        case .ip4Address: .internalIP4Address
        case .ip4Netmask: .internalIP4Netmask
        case .ip4DNS: .internalIP4DNS
        case .ip4NBNS: .internalIP4NBNS
        case .ip4DHCP: .internalIP4DHCP
        case .ip4Subnet: .internalIP4Subnet
        case .applicationVersion: .applicationVersion
        case .ip6Address: .internalIP6Address
        case .ip6DNS: .internalIP6DNS
        case .ip6DHCP: .internalIP6DHCP
        case .ip6Subnet: .internalIP6Subnet
        case .supportedAttributes: .supportedAttributes
        case .dnsDomain: .internalDNSDomain
        case .unknown(let attribute): attribute.type
        }
    }

    var wireForm: ConfigurationPayload.Attribute {
        let value: [UInt8] =
            switch self {
            case .ip4Address(let address), .ip4DNS(let address), .ip4NBNS(let address),
                .ip4DHCP(let address):
                address?.bytes ?? []
            case .ip4Netmask(let length): length.map(ConfigurationAttribute.mask) ?? []
            case .ip4Subnet(let network):
                network.map { $0.address.bytes + ConfigurationAttribute.mask($0.length) } ?? []
            case .applicationVersion(let text): Array(text.utf8)
            case .ip6Address(let address):
                address.map { $0.address.bytes + [$0.prefixLength] } ?? []
            case .ip6DNS(let address), .ip6DHCP(let address): address?.bytes ?? []
            case .ip6Subnet(let network):
                network.map { $0.address.bytes + [UInt8($0.length)] } ?? []
            case .supportedAttributes(let types):
                types.flatMap { [UInt8($0.rawValue >> 8), UInt8($0.rawValue & 255)] }
            case .dnsDomain(let domain): domain.map { Array($0.utf8) } ?? []
            case .unknown(let attribute): attribute.value
            }
        return ConfigurationPayload.Attribute(type: type, value: value)
    }

    private static func mask(_ length: Int) -> [UInt8] {
        IPv4Address(bits: length == 0 ? 0 : UInt32.max << UInt32(32 - length)).bytes
    }
}

extension ConfigurationAttribute: CustomStringConvertible {
    /// The value alone; empty where there is none.
    package var description: String {
        switch self {
        case .ip4Address(let address), .ip4DNS(let address), .ip4NBNS(let address),
            .ip4DHCP(let address):
            address?.description ?? ""
        case .ip4Netmask(let length): length.map { "/\($0)" } ?? ""
        case .ip4Subnet(let network), .ip6Subnet(let network): network?.description ?? ""
        case .applicationVersion(let text): text
        case .ip6Address(let address):
            address.map { "\($0.address)/\($0.prefixLength)" } ?? ""
        case .ip6DNS(let address), .ip6DHCP(let address): address?.description ?? ""
        case .supportedAttributes(let types):
            types.map(\.description).joined(separator: " ")
        case .dnsDomain(let domain): domain ?? ""
        case .unknown(let attribute): hexadecimal(attribute.value)
        }
    }
}
