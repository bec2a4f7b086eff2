package import IPsecPrimitives

/// The keys of one direction of a Child SA.
package struct ESPKeys: Sendable {
    /// Encryption key with the salt or nonce behind it.
    package let encryption: SecretBytes
    /// Empty with an AEAD.
    package let integrity: SecretBytes

    package init(encryption: SecretBytes, integrity: SecretBytes) {
        self.encryption = encryption
        self.integrity = integrity
    }
}

/// Octets of key of one direction of a Child SA.
package struct ChildKeyLengths: Hashable, Sendable {
    /// With salt or nonce; zero for AH.
    package let encryption: Int
    /// Zero with an AEAD.
    package let integrity: Int

    package init(encryption: Int, integrity: Int) {
        self.encryption = encryption
        self.integrity = integrity
    }
}

/// The keys of a pair of Child SAs (RFC 7296 §2.17). Initiator is who began the exchange that
/// made the Child SA, which need not be the IKE SA's initiator.
package struct ChildKeys: Sendable {
    package let initiatorToResponder: ESPKeys
    package let responderToInitiator: ESPKeys

    /// KEYMAT = prf+(SK_d, [g^ir] | Ni | Nr), cut in the order of RFC 7296 §2.17.
    /// `sharedSecret` is nil where the exchange had no KE payloads; `additional` are the secrets
    /// of IKE_FOLLOWUP_KE, in their order, which stand behind the nonces (RFC 9370 §2.2.4).
    package static func derive(
        prf: PRF,
        derivation: SecretBytes,
        cipherSuite: CipherSuite,
        nonceInitiator: [UInt8],
        nonceResponder: [UInt8],
        sharedSecret: SecretBytes? = nil,
        additional: [SecretBytes] = []
    ) -> ChildKeys {
        derive(
            prf: prf,
            derivation: derivation,
            lengths: ChildKeyLengths(
                encryption: cipherSuite.encryptionKeyLength,
                integrity: cipherSuite.integrityKeyLength
            ),
            nonceInitiator: nonceInitiator,
            nonceResponder: nonceResponder,
            sharedSecret: sharedSecret,
            additional: additional
        )
    }

    /// As above for keys of any lengths.
    package static func derive(
        prf: PRF,
        derivation: SecretBytes,
        lengths: ChildKeyLengths,
        nonceInitiator: [UInt8],
        nonceResponder: [UInt8],
        sharedSecret: SecretBytes? = nil,
        additional: [SecretBytes] = []
    ) -> ChildKeys {
        let encryption = lengths.encryption
        let integrity = lengths.integrity
        var seed = joined(sharedSecret, nonceInitiator, nonceResponder, additional)
        let material = prf.plus(key: derivation, seed: seed, length: 2 * (encryption + integrity))
        wipe(&seed)
        func keys(at start: Int) -> ESPKeys {
            let middle = start + encryption
            return ESPKeys(
                encryption: material.part(start..<middle),
                integrity: material.part(middle..<middle + integrity)
            )
        }
        return ChildKeys(
            initiatorToResponder: keys(at: 0),
            responderToInitiator: keys(at: encryption + integrity)
        )
    }
}
