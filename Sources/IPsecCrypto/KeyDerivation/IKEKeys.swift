package import IPsecPrimitives

/// The seven keys of an IKE SA (RFC 7296 §2.14), in one stretch of memory: a gateway may have very
/// many IKE SAs, and needs most of the keys but rarely.
package struct IKEKeys: Sendable {
    /// {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr}.
    private let material: SecretBytes
    private let lengths: Lengths

    private struct Lengths {
        /// Of SK_d, SK_pi and SK_pr.
        let prf: Int
        /// Of SK_ai and SK_ar; zero with an AEAD (RFC 5282 §7.1).
        let integrity: Int
        /// Of SK_ei and SK_er, salt included.
        let encryption: Int

        var total: Int { 3 * prf + 2 * integrity + 2 * encryption }
    }

    /// SK_d, from which Child SAs and the next IKE SA are derived.
    package var derivation: SecretBytes { material.part(0..<lengths.prf) }
    /// SK_ai and SK_ar; empty with an AEAD (RFC 5282 §7.1).
    package var integrityInitiator: SecretBytes { part(lengths.integrity, behind: lengths.prf) }
    package var integrityResponder: SecretBytes {
        part(lengths.integrity, behind: lengths.prf + lengths.integrity)
    }
    /// SK_ei and SK_er, salt included.
    package var encryptionInitiator: SecretBytes {
        part(lengths.encryption, behind: lengths.prf + 2 * lengths.integrity)
    }
    package var encryptionResponder: SecretBytes {
        part(
            lengths.encryption,
            behind: lengths.prf + 2 * lengths.integrity + lengths.encryption
        )
    }
    /// SK_pi and SK_pr, for the AUTH payloads.
    package var authenticationInitiator: SecretBytes {
        part(lengths.prf, behind: lengths.total - 2 * lengths.prf)
    }
    package var authenticationResponder: SecretBytes {
        part(lengths.prf, behind: lengths.total - lengths.prf)
    }

    private func part(_ count: Int, behind start: Int) -> SecretBytes {
        material.part(start..<start + count)
    }

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
        let octets = prf.nonceOctetsInKey ?? .max
        // Nothing secret: nonces are sent in clear.
        let nonces =
            Array(context.nonceInitiator.prefix(octets))
            + context.nonceResponder.prefix(octets)
        let seed = prf.compute(key: SecretBytes(nonces), sharedSecret)
        return expand(prf: prf, cipherSuite: cipherSuite, context: context, seed: seed)
    }

    /// The keys of an IKE SA that replaces another: SKEYSEED = prf(SK_d of the old one, g^ir | Ni
    /// | Nr) with the old SA's function, expanded with the new one's (RFC 7296 §2.18).
    ///
    /// With `additional` secrets of IKE_FOLLOWUP_KE, in their order, behind the nonces (RFC 9370
    /// §2.2.4). The same without them updates the keys of an IKE SA in IKE_INTERMEDIATE (RFC 9370
    /// §2.2.2): SKEYSEED(n) = prf(SK_d(n-1), SK(n) | Ni | Nr).
    package static func deriveRekeyed(
        oldPRF: PRF,
        oldDerivation: SecretBytes,
        prf: PRF,
        cipherSuite: CipherSuite,
        context: Context,
        sharedSecret: SecretBytes,
        additional: [SecretBytes] = []
    ) -> IKEKeys {
        var message = joined(
            sharedSecret,
            context.nonceInitiator,
            context.nonceResponder,
            additional
        )
        let seed = oldPRF.compute(key: oldDerivation, message)
        wipe(&message)
        return expand(prf: prf, cipherSuite: cipherSuite, context: context, seed: seed)
    }

    /// The keys of an IKE SA that resumes another: SKEYSEED = prf(SK_d of the old one, "Resumption" |
    /// Ni | Nr), with the old SA's function throughout (RFC 5723 §5.1).
    package static func deriveResumed(
        oldDerivation: SecretBytes,
        prf: PRF,
        cipherSuite: CipherSuite,
        context: Context
    ) -> IKEKeys {
        let seed = prf.compute(
            key: oldDerivation,
            Array("Resumption".utf8),
            context.nonceInitiator,
            context.nonceResponder
        )
        return expand(prf: prf, cipherSuite: cipherSuite, context: context, seed: seed)
    }

    /// The keys with a postquantum preshared key mixed in: SK_d = prf+(PPK, SK_d') and likewise
    /// SK_pi and SK_pr (RFC 8784 §3).
    package func mixed(with key: SecretBytes, prf: PRF) -> IKEKeys {
        func mix(_ secret: SecretBytes) -> SecretBytes {
            var seed = secret.copy()
            defer { wipe(&seed) }
            return prf.plus(key: key, seed: seed, length: secret.count)
        }
        let middle = lengths.prf..<lengths.total - 2 * lengths.prf
        return IKEKeys(
            material: SecretBytes(joining: [
                mix(derivation), material.part(middle), mix(authenticationInitiator),
                mix(authenticationResponder),
            ]),
            lengths: lengths
        )
    }

    /// {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+(SKEYSEED, Ni | Nr | SPIi |
    /// SPIr) (RFC 7296 §2.14).
    private static func expand(
        prf: PRF,
        cipherSuite: CipherSuite,
        context: Context,
        seed: SecretBytes
    ) -> IKEKeys {
        let lengths = Lengths(
            prf: prf.outputLength,
            integrity: cipherSuite.integrityKeyLength,
            encryption: cipherSuite.encryptionKeyLength
        )
        return IKEKeys(
            material: prf.plus(key: seed, seed: context.seed, length: lengths.total),
            lengths: lengths
        )
    }
}

extension IKEKeys.Context {
    /// Ni | Nr | SPIi | SPIr.
    fileprivate var seed: [UInt8] {
        var writer = ByteWriter(reserving: nonceInitiator.count + nonceResponder.count + 16)
        writer.write(nonceInitiator)
        writer.write(nonceResponder)
        writer.write(spiInitiator.rawValue)
        writer.write(spiResponder.rawValue)
        return writer.bytes
    }
}

/// A secret with public values and further secrets behind it, in an array that the caller must
/// wipe.
func joined(
    _ secret: SecretBytes?,
    _ nonceInitiator: [UInt8],
    _ nonceResponder: [UInt8],
    _ additional: [SecretBytes] = []
) -> [UInt8] {
    var message: [UInt8] = []
    // At its final size at once: growing would leave a copy of the secret behind.
    message.reserveCapacity(
        (secret?.count ?? 0) + nonceInitiator.count + nonceResponder.count
            + additional.reduce(0) { $0 + $1.count }
    )
    if let secret {
        unsafe secret.withUnsafeBytes { unsafe message.append(contentsOf: $0) }
    }
    message += nonceInitiator
    message += nonceResponder
    for secret in additional {
        unsafe secret.withUnsafeBytes { unsafe message.append(contentsOf: $0) }
    }
    return message
}
