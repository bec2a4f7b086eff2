internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// The keys of an IKE SA and the ciphers made from them.
///
/// A class, so that the counter for initialisation vectors exists once however often a state is
/// copied: a vector must never come twice under one key (RFC 5282 §3.1).
final class SAKeys {
    let suite: IKESuite
    private(set) var keys: IKEKeys
    private let outbound: IKECipher
    private let inbound: IKECipher
    private var sealed: UInt64 = 0

    /// The keys of a first IKE SA, or, with the keys of the old one, of its successor
    /// (RFC 7296 §2.14, §2.18). Nil when the library refuses.
    convenience init?(
        suite: IKESuite,
        secret: SecretBytes,
        isOriginalInitiator: Bool,
        context: IKEKeys.Context,
        replacing old: SAKeys? = nil,
        additional: [SecretBytes] = []
    ) {
        let keys =
            if let old {
                IKEKeys.deriveRekeyed(
                    oldPRF: old.suite.prf,
                    oldDerivation: old.keys.derivation,
                    prf: suite.prf,
                    cipherSuite: suite.cipherSuite,
                    context: context,
                    sharedSecret: secret,
                    additional: additional
                )
            } else {
                IKEKeys.derive(
                    prf: suite.prf,
                    cipherSuite: suite.cipherSuite,
                    context: context,
                    sharedSecret: secret
                )
            }
        self.init(suite: suite, keys: keys, isOriginalInitiator: isOriginalInitiator)
    }

    /// The keys of an IKE SA that resumes another of the same suite (RFC 5723 §5.1). Nil when the
    /// library refuses.
    convenience init?(
        suite: IKESuite,
        resuming derivation: SecretBytes,
        isOriginalInitiator: Bool,
        context: IKEKeys.Context
    ) {
        let keys = IKEKeys.deriveResumed(
            oldDerivation: derivation,
            prf: suite.prf,
            cipherSuite: suite.cipherSuite,
            context: context
        )
        self.init(suite: suite, keys: keys, isOriginalInitiator: isOriginalInitiator)
    }

    private init?(suite: IKESuite, keys: IKEKeys, isOriginalInitiator: Bool) {
        guard
            let initiator = try? IKECipher(
                suite: suite.cipherSuite,
                encryptionKey: keys.encryptionInitiator,
                integrityKey: keys.integrityInitiator
            ),
            let responder = try? IKECipher(
                suite: suite.cipherSuite,
                encryptionKey: keys.encryptionResponder,
                integrityKey: keys.integrityResponder
            )
        else { return nil }
        self.suite = suite
        self.keys = keys
        outbound = isOriginalInitiator ? initiator : responder
        inbound = isOriginalInitiator ? responder : initiator
    }

    /// From now on with a postquantum preshared key; what protects messages stays (RFC 8784 §3).
    func adopt(mixed keys: IKEKeys) { self.keys = keys }

    /// Octets to whose multiples what is sealed is padded.
    var blockLength: Int { outbound.blockLength }

    /// The message as a whole, or its fragments where it has more than `messageOctets`
    /// (RFC 7383 §2.5); nil when the library fails.
    ///
    /// - Parameter solution: of a puzzle, in clear before what is sealed (RFC 8019 §7.2.2).
    func seal(
        _ header: MessageHeader,
        _ content: ProtectedContent,
        solution: PuzzleSolutionPayload? = nil,
        messageOctets: Int,
        random: inout any RandomSource
    ) -> [[UInt8]]? {
        let lengths = SealingLengths(
            initialisationVector: outbound.ivLength,
            block: outbound.blockLength,
            integrityCheckValue: outbound.icvLength
        )
        let plan = FragmentPlan(
            contentOctets: content.octets.count,
            messageOctets: messageOctets - (solution.map { $0.data.count + 4 } ?? 0),
            lengths: lengths
        )
        let clear = solution.map { [Payload.puzzleSolution($0)] } ?? []
        guard plan.total > 1, let total = UInt16(exactly: plan.total) else {
            let iv = initialisationVector(random: &random)
            let message = try? IKEMessage.serialise(
                header,
                content: content,
                clear: clear,
                lengths: lengths
            ) {
                (plaintext, associatedData) throws(CryptoError) in
                try outbound.seal(plaintext, associatedData: associatedData, iv: iv)
            }
            return message.map { [$0] }
        }
        var fragments: [[UInt8]] = []
        fragments.reserveCapacity(plan.total)
        for number in 1...total {
            let iv = initialisationVector(random: &random)
            let fragment = try? IKEMessage.serialiseFragment(
                header,
                chunk: content.octets[plan.range(of: Int(number), in: content.octets.count)],
                of: content,
                number: number,
                total: total,
                clear: clear,
                lengths: lengths
            ) { (plaintext, associatedData) throws(CryptoError) in
                try outbound.seal(plaintext, associatedData: associatedData, iv: iv)
            }
            guard let fragment else { return nil }
            fragments.append(fragment)
        }
        return fragments
    }

    func open(_ payload: EncryptedPayload) throws(OpeningFailure<CryptoError>) -> OpenedMessage {
        payload.message(
            holding: try payload.openContent { (associatedData, content) throws(CryptoError) in
                try inbound.open(content[...], associatedData: associatedData[...])
            }
        )
    }

    /// What one fragment holds.
    func openChunk(
        _ fragment: EncryptedFragmentPayload
    ) throws(OpeningFailure<CryptoError>) -> [UInt8] {
        try fragment.openChunk { (associatedData, content) throws(CryptoError) in
            try inbound.open(content[...], associatedData: associatedData[...])
        }
    }

    /// A counter for the AEADs, which only need it to be unique; random for CBC, which needs it
    /// unpredictable (RFC 7296 §3.14).
    private func initialisationVector(random: inout any RandomSource) -> [UInt8] {
        guard outbound.ivLength == 8 else { return random.bytes(outbound.ivLength) }
        sealed += 1
        var writer = ByteWriter(reserving: 8)
        writer.write(sealed)
        return writer.bytes
    }
}
