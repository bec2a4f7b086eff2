package import IPsecCrypto
package import IPsecPrimitives

/// Authentication by a shared secret (RFC 7296 §2.15).
package enum PresharedKeyAuthentication {
    /// What one end signs: its own first message, the other end's nonce and its own identity.
    package struct SignedOctets: Sendable {
        /// The sender's IKE_SA_INIT message, from the IKE header on, as it was on the wire.
        package var message: [UInt8]
        /// The nonce of the other end, without the payload's header.
        package var peerNonce: [UInt8]
        /// The body of the sender's Identification payload behind the generic header.
        package var identityBody: [UInt8]
        /// SK_pi of the initiator, SK_pr of the responder.
        package var authenticationKey: SecretBytes
        /// IntAuth (RFC 9242 §3.3.2); empty where no IKE_INTERMEDIATE took place.
        package var intermediate: [UInt8]

        package init(
            message: [UInt8],
            peerNonce: [UInt8],
            identityBody: [UInt8],
            authenticationKey: SecretBytes,
            intermediate: [UInt8] = []
        ) {
            self.message = message
            self.peerNonce = peerNonce
            self.identityBody = identityBody
            self.authenticationKey = authenticationKey
            self.intermediate = intermediate
        }
    }

    private static let keyPad = Array("Key Pad for IKEv2".utf8)

    /// AUTH = prf(prf(Shared Secret, "Key Pad for IKEv2"), SignedOctets).
    package static func code(secret: SecretBytes, signing octets: SignedOctets, prf: PRF) -> [UInt8]
    {
        let key = prf.compute(key: secret, keyPad)
        return prf.compute(
            key: key,
            octets.message,
            octets.peerNonce,
            prf.compute(key: octets.authenticationKey, octets.identityBody).copy(),
            octets.intermediate
        ).copy()
    }

    /// Whether `code` is the AUTH of `octets`, in constant time.
    package static func verify(
        _ code: [UInt8],
        secret: SecretBytes,
        signing octets: SignedOctets,
        prf: PRF
    ) -> Bool {
        equalInConstantTime(
            code,
            PresharedKeyAuthentication.code(secret: secret, signing: octets, prf: prf)
        )
    }
}

extension PresharedKeyAuthentication.SignedOctets {
    /// RealMessage | Nonce | prf(SK_p, RestOfID) | IntAuth (RFC 7296 §2.15, RFC 9242 §3.3.2): what
    /// signatures cover as well.
    package func octets(prf: PRF) -> [UInt8] {
        let identity = prf.compute(key: authenticationKey, identityBody).copy()
        var octets: [UInt8] = []
        octets.reserveCapacity(
            message.count + peerNonce.count + identity.count + intermediate.count
        )
        octets += message
        octets += peerNonce
        octets += identity
        octets += intermediate
        return octets
    }
}
