internal import IPsecPrimitives

/// The form in an Identification payload (RFC 7296 §3.5).
extension Identity {
    private static let ipv4Type: UInt8 = 1
    private static let domainNameType: UInt8 = 2
    private static let emailAddressType: UInt8 = 3
    private static let ipv6Type: UInt8 = 5
    private static let keyIDType: UInt8 = 11

    /// Any type and content; what does not fit its type stays as it came.
    package init(wireType: UInt8, content: [UInt8]) {
        switch wireType {
        case Identity.ipv4Type:
            self = IPv4Address(bytes: content).map(Identity.ipv4) ?? .other(wireType, content)
        case Identity.ipv6Type:
            self = IPv6Address(bytes: content).map(Identity.ipv6) ?? .other(wireType, content)
        case Identity.domainNameType:
            self =
                Identity.text(content).map(Identity.fullyQualifiedDomainName)
                ?? .other(wireType, content)
        case Identity.emailAddressType:
            self = Identity.text(content).map(Identity.emailAddress) ?? .other(wireType, content)
        case Identity.keyIDType:
            self = .keyID(content)
        default:
            self = .other(wireType, content)
        }
    }

    package var wireType: UInt8 {
        switch self {
        case .fullyQualifiedDomainName: Identity.domainNameType
        case .ipv4: Identity.ipv4Type
        case .ipv6: Identity.ipv6Type
        case .emailAddress: Identity.emailAddressType
        case .keyID: Identity.keyIDType
        case .other(let type, _): type
        }
    }

    package var wireContent: [UInt8] {
        switch self {
        case .fullyQualifiedDomainName(let text), .emailAddress(let text): Array(text.utf8)
        case .ipv4(let address): address.bytes
        case .ipv6(let address): address.bytes
        case .keyID(let content), .other(_, let content): content
        }
    }

    private static func other(_ type: UInt8, _ content: [UInt8]) -> Identity {
        .other(type: type, content: content)
    }

    // RFC 7296 §3.5: names "MUST NOT contain any terminators". Control characters would also let
    // a peer forge lines of the log or play tricks on the terminal that shows it.
    private static func text(_ content: [UInt8]) -> String? {
        if content.allSatisfy({ (0x21...0x7e).contains($0) }) {
            return String(decoding: content, as: UTF8.self)
        }
        guard content.allSatisfy({ $0 > 0x20 && $0 != 0x7f }),
            let text = String(validating: content, as: UTF8.self),
            text.unicodeScalars.allSatisfy(isHarmless)
        else { return nil }
        return text
    }

    private static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .spaceSeparator: false
        case .privateUse, .unassigned, .surrogate: false
        default: true
        }
    }
}
