package import IPsecPrimitives

/// The name that an end proves to own (RFC 7296 §3.5).
///
/// Equality is what matching wants: domain names and mail addresses without regard to case.
package enum Identity: Sendable {
    case fullyQualifiedDomainName(String)
    case ipv4(IPv4Address)
    case ipv6(IPv6Address)
    /// `user@host`.
    case emailAddress(String)
    case keyID([UInt8])
    /// A type that we do not interpret, such as a distinguished name; equal only octet by octet.
    case other(type: UInt8, content: [UInt8])

    package init(address: IPAddress) {
        switch address {
        case .v4(let address): self = .ipv4(address)
        case .v6(let address): self = .ipv6(address)
        }
    }
}

// MARK: - Text

extension Identity {
    /// Octets that an identity may have in all, in our configuration and on the wire.
    package static let maximumLength = 1024

    /// An identity as configuration writes it; nil when the text is none.
    ///
    /// `10.0.0.1` and `2001:db8::1` are addresses, `user@host` a mail address, `@#c0ffee` and
    /// `keyid:name` key IDs, all else a domain name. `fqdn:`, `email:`, `ipv4:`, `ipv6:` force a
    /// kind, and so does `@` in front of a domain name.
    package init?(_ text: some StringProtocol) {
        guard !text.isEmpty, text.utf8.count <= Identity.maximumLength,
            text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f })
        else { return nil }
        if let colon = text.firstIndex(of: ":") {
            let rest = String(text[text.index(after: colon)...])
            switch text[..<colon].lowercased() {
            case "fqdn":
                self.init(domainName: rest)
                return
            case "email", "rfc822":
                self.init(emailAddress: rest)
                return
            case "keyid":
                guard !rest.isEmpty else { return nil }
                self = .keyID(Array(rest.utf8))
                return
            case "ipv4", "ipv6":
                guard let address = IPAddress(rest) else { return nil }
                self.init(address: address)
                return
            default: break
            }
        }
        if text.hasPrefix("@#") {
            guard let content = Identity.octets(hexadecimal: text.dropFirst(2)) else { return nil }
            self = .keyID(content)
        } else if text.hasPrefix("@") {
            self.init(domainName: String(text.dropFirst()))
        } else if let address = IPAddress(text) {
            self.init(address: address)
        } else if text.contains("@") {
            self.init(emailAddress: String(text))
        } else {
            self.init(domainName: String(text))
        }
    }

    private init?(domainName text: String) {
        let labels = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard text.utf8.count <= 253,
            labels.allSatisfy({ (1...63).contains($0.count) && $0.allSatisfy(Identity.isNameOctet) }
            )
        else { return nil }
        self = .fullyQualifiedDomainName(text)
    }

    private init?(emailAddress text: String) {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, Identity(domainName: String(parts[1])) != nil
        else { return nil }
        self = .emailAddress(text)
    }

    private static func isNameOctet(_ octet: UInt8) -> Bool {
        switch octet {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: octet >= 0x80
        }
    }

    private static func octets(hexadecimal text: some StringProtocol) -> [UInt8]? {
        let digits = text.compactMap(\.hexDigitValue)
        guard !digits.isEmpty, digits.count == text.count, digits.count.isMultiple(of: 2) else {
            return nil
        }
        return stride(from: 0, to: digits.count, by: 2).map {
            UInt8(digits[$0] << 4 | digits[$0 + 1])
        }
    }
}

extension Identity: CustomStringConvertible {
    /// The text that `init(_:)` reads back, for those kinds that it knows.
    package var description: String {
        switch self {
        case .fullyQualifiedDomainName(let name): name
        case .ipv4(let address): address.description
        case .ipv6(let address): address.description
        case .emailAddress(let address): address
        case .keyID(let content): Identity.keyIDText(content)
        case .other(let type, let content): "type\(type):" + hexadecimal(content)
        }
    }

    private static func keyIDText(_ content: [UInt8]) -> String {
        guard !content.isEmpty, content.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            return "@#" + hexadecimal(content)
        }
        return "keyid:" + String(decoding: content, as: UTF8.self)
    }
}

// MARK: - Equality

extension Identity: Hashable {
    package static func == (left: Identity, right: Identity) -> Bool {
        switch (left, right) {
        case (.fullyQualifiedDomainName(let one), .fullyQualifiedDomainName(let other)),
            (.emailAddress(let one), .emailAddress(let other)):
            return Identity.isEqual(one.utf8.span, other.utf8.span)
        case (.ipv4(let one), .ipv4(let other)): return one == other
        case (.ipv6(let one), .ipv6(let other)): return one == other
        case (.keyID(let one), .keyID(let other)): return one == other
        default:
            return left.wireType == right.wireType && left.comparable == right.comparable
        }
    }

    /// Without regard to the case of letters, and without a copy of either: tables of many peers
    /// compare often.
    private static func isEqual(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
        guard left.count == right.count else { return false }
        for index in left.indices where left[index] != right[index] {
            guard folded(left[index]) == folded(right[index]) else { return false }
        }
        return true
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(wireType)
        switch self {
        case .fullyQualifiedDomainName(let name), .emailAddress(let name):
            Identity.combine(name.utf8.span, into: &hasher)
        default: Identity.combine(wireContent.span, into: &hasher)
        }
    }

    /// Eight octets at a time, without regard to the case of letters: an identity is looked up
    /// several times in a handshake.
    private static func combine(_ content: Span<UInt8>, into hasher: inout Hasher) {
        var word: UInt64 = 0
        for index in content.indices {
            word = word << 8 | UInt64(folded(content[index]))
            if index & 7 == 7 { hasher.combine(word) }
        }
        hasher.combine(word)
        hasher.combine(content.count)
    }

    private static func folded(_ octet: UInt8) -> UInt8 {
        (0x41...0x5a).contains(octet) ? octet | 0x20 : octet
    }

    private var comparable: [UInt8] {
        switch self {
        case .fullyQualifiedDomainName, .emailAddress:
            wireContent.map(Identity.folded)
        default: wireContent
        }
    }
}
