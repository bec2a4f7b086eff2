/// What a Certificate or Certificate Request payload holds (RFC 7296 §3.6).
package struct CertificateEncoding: Registry {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    package static let x509Signature = CertificateEncoding(rawValue: 4)
    package static let certificateRevocationList = CertificateEncoding(rawValue: 7)
    package static let hashAndURLOfX509 = CertificateEncoding(rawValue: 12)
    package static let hashAndURLOfBundle = CertificateEncoding(rawValue: 13)
    /// RFC 4806 §3.
    package static let ocspContent = CertificateEncoding(rawValue: 14)
    /// RFC 7670 §3.
    package static let rawPublicKey = CertificateEncoding(rawValue: 15)

    package static let kind = "certificate encoding"
    package static let names: [UInt8: String] = [
        1: "PKCS #7 wrapped X.509", 2: "PGP", 3: "DNS signed key", 4: "X.509 signature",
        6: "Kerberos token", 7: "CRL", 8: "ARL", 9: "SPKI", 10: "X.509 attribute",
        11: "raw RSA key", 12: "hash and URL of X.509", 13: "hash and URL of bundle",
        14: "OCSP content", 15: "raw public key",
    ]
}
