package import IPsecPrimitives

/// The seven keys of an IKE SA (RFC 7296 §2.14).
package struct IKEKeys: Sendable {
    /// SK_d, from which Child SAs and the next IKE SA are derived.
    package let derivation: SecretBytes
    /// SK_ai and SK_ar; empty with an AEAD (RFC 5282 §7.1).
    package let integrityInitiator: SecretBytes
    package let integrityResponder: SecretBytes
    /// SK_ei and SK_er, salt included.
    package let encryptionInitiator: SecretBytes
    package let encryptionResponder: SecretBytes
    /// SK_pi and SK_pr, for the AUTH payloads.
    package let authenticationInitiator: SecretBytes
    package let authenticationResponder: SecretBytes

    /// What SKEYSEED and prf+ need besides the secrets: the nonces and SPIs of both ends.
    package struct Context: Hashable, Sendable {
        package var nonceInitiator: [UInt8]
        package var nonceResponder: [UInt8]
        package var spiInitiator: IKESPI
        package var spiResponder: IKESPI

        package init(
            nonceInitiator: [UInt8],
            nonceResponder: [UInt8],
            spiInitiator: IKESPI,
            spiResponder: IKESPI
        ) {
            self.nonceInitiator = nonceInitiator
            self.nonceResponder = nonceResponder
            self.spiInitiator = spiInitiator
            self.spiResponder = spiResponder
        }
    }

    /// The keys of a new IKE SA: SKEYSEED = prf(Ni | Nr, g^ir) (RFC 7296 §2.14).
    package static func derive(
        prf: PRF,
        cipherSuite: CipherSuite,
        context: Context,
        sharedSecret: SecretBytes
    ) -> IKEKeys {
        fatalError()
    }

    /// The keys of an IKE SA that replaces another: SKEYSEED = prf(SK_d of the old one, g^ir | Ni
    /// | Nr) with the old SA's function, expanded with the new one's (RFC 7296 §2.18).
    package static func deriveRekeyed(
        oldPRF: PRF,
        oldDerivation: SecretBytes,
        prf: PRF,
        cipherSuite: CipherSuite,
        context: Context,
        sharedSecret: SecretBytes
    ) -> IKEKeys {
        fatalError()
    }
}
