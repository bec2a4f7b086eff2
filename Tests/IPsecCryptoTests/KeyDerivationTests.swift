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

    /// RFC 5723 §5.1, by another hand: in Python, with h the hash function,
    ///
    ///     prf = lambda key, message: hmac.new(key, message, h).digest()
    ///     seed = prf(SK_d, b"Resumption" + Ni + Nr)
    ///     t, out = b"", b""
    ///     for i in range(1, 32): t = prf(seed, t + Ni + Nr + SPIi + SPIr + bytes([i])); out += t
    @Test("the keys of a resumed IKE SA")
    func resumed() {
        let context = IKEKeys.Context(
            nonceInitiator: (0..<32).map { UInt8(0xa0 + $0 % 16) },
            nonceResponder: (0..<20).map { UInt8(0x50 + $0 % 16) },
            spiInitiator: IKESPI(rawValue: 0x0102_0304_0506_0708),
            spiResponder: IKESPI(rawValue: 0x1112_1314_1516_1718)
        )
        let aead = IKEKeys.deriveResumed(
            oldDerivation: SecretBytes((0..<32).map { UInt8($0) }),
            prf: PRF(.hmacSHA256)!,
            cipherSuite: makeSuite(.aesGCM16, 256, nil),
            context: context
        )
        #expect(
            concatenated(aead)
                == hex(
                    """
                    2e9fa6586346d2b31ae2e1867af5f299970aa55a0928a31fce27086b4ce7c25d\
                    f24a9fcd9ec3868ef71dbe8af543e62c0746ce69e4f604bf19b74e88e375b95e73f1a090\
                    036ae80d4cfa53be18ae0fd267ac407763ddc2371945f767ac2097937a444a994a5c9dcd\
                    c2c235e459a51a7ce271789f5271ecdcf2d8650fa7b276729844c6b2a2a453bb\
                    515382265f184cbce2f07ee7feb1d0c5422b789d63bc3c81aeb21ab3cbf14514
                    """
                )
        )
        let separate = IKEKeys.deriveResumed(
            oldDerivation: SecretBytes((0..<48).map { UInt8($0) }),
            prf: PRF(.hmacSHA384)!,
            cipherSuite: makeSuite(.aesCBC, 128, .hmacSHA256_128),
            context: context
        )
        #expect(
            concatenated(separate)
                == hex(
                    """
                    b0aea08edd61766c9bfa4e838d5a5d9ed8fe69f129096a9d43f2240400eb5446\
                    b83e093494c92767c7d7f879146012ff\
                    77b7ec17c3248e8eaf2f4d5ca1e436746105c71f8f987d03849828d1b5263761\
                    1f9fe6b601c3871266bcc1a5c5fe37792b068d1a9e17b70c3e87c164c2aedb1d\
                    382fb0bb5e4ab593800f6cc23589\
                    8c4932bffd76b13433a52ac491d928c8b238\
                    8a9e90999c07ed911e85185e68c69fe5e263b67a9598a4383f67bc92c274d5a2\
                    b951b6f638b7306224aebfa2eb7b4a99\
                    8f58cd22f24a69b02bd44c5140261e83bf6d0b0e6ab543b3cc1459d62914f055\
                    b148e07d683ea183ddc0c30cad2f2f78
                    """
                )
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
