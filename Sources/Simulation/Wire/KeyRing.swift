internal import ConnectionControl
internal import IKEMessages
internal import IKEProtocol
internal import IPsecCrypto
internal import IPsecPrimitives

/// The two SPIs by which both ends and the wire name an IKE SA.
struct SPIPair: Hashable {
    let initiator: IKESPI
    let responder: IKESPI

    init(initiator: IKESPI, responder: IKESPI) {
        self.initiator = initiator
        self.responder = responder
    }

    init(_ header: MessageHeader) {
        initiator = header.initiatorSPI
        responder = header.responderSPI
    }
}

/// Ciphers of the IKE SAs, from the keys that the gateways expose.
struct KeyRing {
    struct Entry {
        /// A fingerprint of SK_d: what both ends must agree on.
        let derivation: UInt64
        let suite: String
        let fromInitiator: IKECipher
        let fromResponder: IKECipher
    }

    /// An SA has several in succession where a later key exchange changes them (RFC 9242).
    private var entries: [SPIPair: [Entry]] = [:]

    func entries(of pair: SPIPair) -> [Entry] { entries[pair] ?? [] }

    /// Takes in what a gateway exposes.
    mutating func learn(from controller: ConnectionController) {
        for exposed in controller.exposedKeys {
            let pair = SPIPair(
                initiator: exposed.initiatorSPI,
                responder: exposed.responderSPI
            )
            let derivation = Fingerprint.of(exposed.keys.derivation)
            guard entries[pair]?.contains(where: { $0.derivation == derivation }) != true,
                let entry = KeyRing.entry(exposed, derivation)
            else { continue }
            entries[pair, default: []].append(entry)
        }
    }

    private static func entry(_ exposed: ExposedKeys, _ derivation: UInt64) -> Entry? {
        let keys = exposed.keys
        guard
            let initiator = try? IKECipher(
                suite: exposed.cipherSuite,
                encryptionKey: copy(keys.encryptionInitiator),
                integrityKey: copy(keys.integrityInitiator)
            ),
            let responder = try? IKECipher(
                suite: exposed.cipherSuite,
                encryptionKey: copy(keys.encryptionResponder),
                integrityKey: copy(keys.integrityResponder)
            )
        else { return nil }
        return Entry(
            derivation: derivation,
            suite: exposed.suite,
            fromInitiator: initiator,
            fromResponder: responder
        )
    }

    /// A copy of our own, so that we do not keep alive what the gateway ought to have wiped.
    private static func copy(_ secret: SecretBytes) -> SecretBytes {
        var bytes = secret.copy()
        return SecretBytes(consuming: &bytes)
    }
}

/// Numbers that stand for octets.
enum Fingerprint {
    static func of(_ secret: SecretBytes) -> UInt64 {
        var bytes = secret.copy()
        defer { wipe(&bytes) }
        return of(bytes)
    }

    static func of(_ bytes: some Collection<UInt8>) -> UInt64 {
        var word: UInt64 = UInt64(bytes.count)
        for byte in bytes { word = (word ^ UInt64(byte)) &* 0x1000_0000_01b3 }
        return Dice.mix(word)
    }
}
