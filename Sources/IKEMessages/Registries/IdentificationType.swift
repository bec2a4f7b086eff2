/// What kind of name an identity is (RFC 7296 §3.5; IANA "IKEv2 Identification Payload ID Types").
package struct IdentificationType: Registry {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    package static let ipv4Address = IdentificationType(rawValue: 1)
    package static let fqdn = IdentificationType(rawValue: 2)
    package static let rfc822Address = IdentificationType(rawValue: 3)
    package static let ipv6Address = IdentificationType(rawValue: 5)
    package static let derASN1DN = IdentificationType(rawValue: 9)
    package static let derASN1GN = IdentificationType(rawValue: 10)
    package static let keyID = IdentificationType(rawValue: 11)
    /// RFC 7619 §2.2: no identity.
    package static let null = IdentificationType(rawValue: 13)

    package static let kind = "identity type"
    package static let names: [UInt8: String] = [
        1: "ID_IPV4_ADDR", 2: "ID_FQDN", 3: "ID_RFC822_ADDR", 5: "ID_IPV6_ADDR",
        9: "ID_DER_ASN1_DN", 10: "ID_DER_ASN1_GN", 11: "ID_KEY_ID", 12: "ID_FC_NAME",
        13: "ID_NULL",
    ]
}
