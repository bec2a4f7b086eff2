import IPsecCrypto
import IPsecPrimitives
import Testing

/// The key derivation of RFC 7296 §2.13, §2.14, §2.17 and §2.18.
@Suite struct KeyDerivationTests {
    struct ACVP: Decodable {
        struct Input: Decodable {
            let gir: String
            let girNew: String
            let nInit: String
            let nResp: String
            let spiInit: String
            let spiResp: String
        }

        struct Expected: Decodable {
            let sKeySeed: String
            let derivedKeyingMaterial: String
            let derivedKeyingMaterialChild: String
            let derivedKeyingMaterialDh: String
            let sKeySeedReKey: String
        }

        let input: Input
        let expected: Expected
    }

    let prf = PRF(.hmacSHA1)!
    let acvp: ACVP
    let context: IKEKeys.Context
    let suite = makeSuite(.aesCBC, 128, .hmacSHA256_128)

    init() throws {
        acvp = try loadVectors("ikev2-kdf-acvp", as: ACVP.self)
        context = IKEKeys.Context(
            nonceInitiator: hex(acvp.input.nInit),
            nonceResponder: hex(acvp.input.nResp),
            spiInitiator: IKESPI(rawValue: UInt64(acvp.input.spiInit, radix: 16)!),
            spiResponder: IKESPI(rawValue: UInt64(acvp.input.spiResp, radix: 16)!)
        )
    }

    private var keys: IKEKeys {
        IKEKeys.derive(
            prf: prf,
            cipherSuite: suite,
            context: context,
            sharedSecret: SecretBytes(hex(acvp.input.gir))
        )
    }

    private func concatenated(_ keys: IKEKeys) -> [UInt8] {
        [
            keys.derivation, keys.integrityInitiator, keys.integrityResponder,
            keys.encryptionInitiator, keys.encryptionResponder, keys.authenticationInitiator,
            keys.authenticationResponder,
        ].flatMap { $0.copy() }
    }

    /// What prf+ gives does not depend on the length asked for, so that the vector's start is what
    /// the seven keys of one suite take.
    @Test func firstSA() {
        let result = concatenated(keys)
        #expect(result.count > 132)
        #expect(Array(result.prefix(132)) == hex(acvp.expected.derivedKeyingMaterial))
    }

    @Test func seedAndItsExpansion() {
        let seed = prf.compute(
            key: SecretBytes(context.nonceInitiator + context.nonceResponder),
            hex(acvp.input.gir)
        )
        #expect(seed.copy() == hex(acvp.expected.sKeySeed))
        let expanded = prf.plus(
            key: seed,
            seed: context.nonceInitiator + context.nonceResponder + hex(acvp.input.spiInit)
                + hex(acvp.input.spiResp),
            length: 132
        )
        #expect(expanded.copy() == hex(acvp.expected.derivedKeyingMaterial))
    }

    @Test func childSA() {
        check(sharedSecret: nil, acvp.expected.derivedKeyingMaterialChild)
    }

    @Test func childSAWithKeyExchange() {
        check(
            sharedSecret: SecretBytes(hex(acvp.input.girNew)),
            acvp.expected.derivedKeyingMaterialDh
        )
    }

    private func check(sharedSecret: SecretBytes?, _ expected: String) {
        let child = ChildKeys.derive(
            prf: prf,
            derivation: keys.derivation,
            cipherSuite: suite,
            nonceInitiator: context.nonceInitiator,
            nonceResponder: context.nonceResponder,
            sharedSecret: sharedSecret
        )
        let there = child.initiatorToResponder
        let back = child.responderToInitiator
        let material = [there.encryption, there.integrity, back.encryption, back.integrity]
            .flatMap { $0.copy() }
        #expect(material == Array(hex(expected).prefix(material.count)))
        #expect(material.count == 96)
    }

    /// The vector stops at SKEYSEED, whose expansion is checked against prf+ itself.
    @Test func rekeyedSA() {
        let rekeyed = IKEKeys.deriveRekeyed(
            oldPRF: prf,
            oldDerivation: keys.derivation,
            prf: prf,
            cipherSuite: suite,
            context: context,
            sharedSecret: SecretBytes(hex(acvp.input.girNew))
        )
        let expected = prf.plus(
            key: SecretBytes(hex(acvp.expected.sKeySeedReKey)),
            seed: context.nonceInitiator + context.nonceResponder + hex(acvp.input.spiInit)
                + hex(acvp.input.spiResp),
            length: 3 * 20 + 2 * 32 + 2 * 16
        )
        #expect(concatenated(rekeyed) == expected.copy())
    }

    @Test(arguments: allSuites.filter(\.isForIKE))
    func lengths(suite: CipherSuite) {
        let prf = PRF(.hmacSHA512)!
        let keys = IKEKeys.derive(
            prf: prf,
            cipherSuite: suite,
            context: context,
            sharedSecret: SecretBytes([1])
        )
        #expect(keys.encryptionInitiator.count == suite.encryptionKeyLength)
        #expect(keys.encryptionResponder.count == suite.encryptionKeyLength)
        #expect(keys.integrityInitiator.count == suite.integrityKeyLength)
        #expect(keys.integrityResponder.count == suite.integrityKeyLength)
        #expect(keys.authenticationResponder.count == 64)
        #expect(!keys.encryptionInitiator.isEqual(to: keys.encryptionResponder))
    }

    @Test func unknownFunctionIsNone() {
        #expect(PRF(PseudorandomFunction(rawValue: 3)) == nil)
    }

    @Test func partsAreOneMessage() {
        let key = SecretBytes([1, 2, 3])
        let whole = prf.compute(key: key, [1, 2, 3, 4])
        #expect(prf.compute(key: key, [1], [], [2, 3, 4]).isEqual(to: whole))
        #expect(prf.compute(key: key, SecretBytes([1, 2, 3, 4])).isEqual(to: whole))
    }
}
