/// How an end proves who it is (RFC 7296 §3.8; IANA "IKEv2 Authentication Method").
package struct AuthenticationMethod: Registry {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    package static let rsaSignature = AuthenticationMethod(rawValue: 1)
    package static let sharedKey = AuthenticationMethod(rawValue: 2)
    package static let ecdsaSHA256P256 = AuthenticationMethod(rawValue: 9)
    package static let ecdsaSHA384P384 = AuthenticationMethod(rawValue: 10)
    package static let ecdsaSHA512P521 = AuthenticationMethod(rawValue: 11)
    /// RFC 7619 §2.1.
    package static let null = AuthenticationMethod(rawValue: 13)
    /// RFC 7427 §3.
    package static let digitalSignature = AuthenticationMethod(rawValue: 14)

    package static let kind = "authentication method"
    package static let names: [UInt8: String] = [
        1: "RSA digital signature", 2: "shared key message integrity code",
        3: "DSS digital signature", 9: "ECDSA with SHA-256 on P-256",
        10: "ECDSA with SHA-384 on P-384", 11: "ECDSA with SHA-512 on P-521",
        12: "generic secure password", 13: "NULL", 14: "digital signature",
    ]
}
