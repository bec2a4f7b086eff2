package import IPsecCrypto
internal import IPsecPrimitives

/// Authentication in an IKE SA that resumes another (RFC 5723 §4.3.3): whoever has the keys of the
/// old SA has the identity that was proven there.
package enum ResumedAuthentication {
    /// AUTH = prf(SK_px, SignedOctets), with the SK_p that the octets carry: that of the new SA.
    package static func code(
        signing octets: PresharedKeyAuthentication.SignedOctets,
        prf: PRF
    ) -> [UInt8] {
        prf.compute(key: octets.authenticationKey, octets.octets(prf: prf)).copy()
    }

    /// Whether `code` is the AUTH of `octets`, in constant time.
    package static func verify(
        _ code: [UInt8],
        signing octets: PresharedKeyAuthentication.SignedOctets,
        prf: PRF
    ) -> Bool {
        equalInConstantTime(code, ResumedAuthentication.code(signing: octets, prf: prf))
    }
}
