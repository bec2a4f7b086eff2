import IPsecCrypto
import IPsecPrimitives
import Testing

@Suite struct KeyExchangeTests {
    static let methods: [KeyExchangeMethod] = [
        .curve25519, .curve448, .ecp192, .ecp224, .ecp256, .ecp384, .ecp521, .brainpoolP224,
        .brainpoolP256, .brainpoolP384, .brainpoolP512, .modp768, .modp1024, .modp1536, .modp2048,
        .modp3072, .modp4096, .modp6144, .modp8192,
    ]
    static let lengths: [KeyExchangeMethod: Int] = [
        .curve25519: 32, .curve448: 56, .ecp192: 48, .ecp224: 56, .ecp256: 64, .ecp384: 96,
        .ecp521: 132, .brainpoolP224: 56, .brainpoolP256: 64, .brainpoolP384: 96,
        .brainpoolP512: 128, .modp768: 96, .modp1024: 128, .modp1536: 192, .modp2048: 256,
        .modp3072: 384, .modp4096: 512, .modp6144: 768, .modp8192: 1024,
    ]

    @Test(arguments: methods)
    func bothEndsAgree(method: KeyExchangeMethod) throws {
        var random: any RandomSource = SeededRandomSource(seed: 1)
        let one = try KeyExchangeKeyPair.generate(method, random: &random)
        let other = try KeyExchangeKeyPair.generate(method, random: &random)
        #expect(KeyExchangeKeyPair.supports(method))
        #expect(one.publicValue.count == Self.lengths[method])
        #expect(one.publicValue != other.publicValue)
        let secret = try one.sharedSecret(with: other.publicValue)
        #expect(secret.isEqual(to: try other.sharedSecret(with: one.publicValue)))
        // RFC 7296 §2.14: padded to the modulus's length; RFC 5903 §7: x only.
        let isECP = (19...30).contains(method.rawValue)
        #expect(secret.count == (isECP ? one.publicValue.count / 2 : one.publicValue.count))
    }

    @Test(arguments: methods)
    func sameSeedSameKey(method: KeyExchangeMethod) throws {
        var first: any RandomSource = SeededRandomSource(seed: 7)
        var second: any RandomSource = SeededRandomSource(seed: 7)
        let one = try KeyExchangeKeyPair.generate(method, random: &first)
        let other = try KeyExchangeKeyPair.generate(method, random: &second)
        #expect(one.publicValue == other.publicValue)
    }

    @Test(arguments: methods)
    func valuesOfWrongLengthAreRefused(method: KeyExchangeMethod) throws {
        var random: any RandomSource = SeededRandomSource(seed: 2)
        let pair = try KeyExchangeKeyPair.generate(method, random: &random)
        for peer in [[], Array(pair.publicValue.dropLast()), pair.publicValue + [0]] {
            #expect(throws: CryptoError.invalidPublicValue) { try pair.sharedSecret(with: peer) }
        }
    }

    /// RFC 6989 §2.1: 0, 1, p-1, p and everything above are out, 2 and p-2 are in.
    @Test func modpBounds() throws {
        var random: any RandomSource = SeededRandomSource(seed: 3)
        let pair = try KeyExchangeKeyPair.generate(.modp2048, random: &random)
        // RFC 3526 §3: the last octet of the prime is ff, and hence of p-1 fe and of p-2 fd.
        let prime = hex(
            """
            FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74
            020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437
            4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED
            EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05
            98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB
            9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B
            E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718
            3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF
            """
        )
        let zero = [UInt8](repeating: 0, count: 256)
        func replacingLast(_ value: [UInt8], _ last: UInt8) -> [UInt8] { value.dropLast() + [last] }
        for bad in [
            zero, replacingLast(zero, 1), replacingLast(prime, 0xfe), prime,
            [UInt8](repeating: 0xff, count: 256),
        ] {
            #expect(throws: CryptoError.invalidPublicValue) { try pair.sharedSecret(with: bad) }
        }
        let power = try pair.sharedSecret(with: replacingLast(zero, 2))
        #expect(power.copy() == pair.publicValue)
        _ = try pair.sharedSecret(with: replacingLast(prime, 0xfd))
    }

    @Test func curve25519PointsOfSmallOrderAreRefused() throws {
        var random: any RandomSource = SeededRandomSource(seed: 4)
        let pair = try KeyExchangeKeyPair.generate(.curve25519, random: &random)
        for last in [UInt8(0), 1] {
            let peer = [last] + [UInt8](repeating: 0, count: 31)
            #expect(throws: CryptoError.invalidPublicValue) { try pair.sharedSecret(with: peer) }
        }
    }

    @Test func unknownMethods() {
        for method in [KeyExchangeMethod.none, KeyExchangeMethod(rawValue: 22)] {
            #expect(!KeyExchangeKeyPair.supports(method))
            var random: any RandomSource = SeededRandomSource(seed: 5)
            #expect(throws: CryptoError.unsupportedAlgorithm) {
                try KeyExchangeKeyPair.generate(method, random: &random)
            }
        }
    }

    /// A source that never gives a valid scalar ends in an error, not in a loop.
    @Test func brokenRandomSource() {
        var random: any RandomSource = FixedRandomSource(content: [UInt8](repeating: 0, count: 999))
        #expect(throws: CryptoError.libraryFailure) {
            try KeyExchangeKeyPair.generate(.ecp256, random: &random)
        }
    }

    static let encapsulations: [(KeyExchangeMethod, Int, Int)] = [
        (.mlkem768, 1184, 1088), (.mlkem1024, 1568, 1568),
    ]

    /// draft-ietf-ipsecme-ikev2-mlkem-08 §2.1, Table 1.
    @Test(arguments: encapsulations)
    func keyEncapsulation(method: KeyExchangeMethod, key: Int, ciphertext: Int) throws {
        var random: any RandomSource = SeededRandomSource(seed: 5)
        let pair = try KeyExchangeKeyPair.generate(method, random: &random)
        let answer = try KeyExchangeKeyPair.answer(method, to: pair.publicValue, random: &random)
        #expect(KeyExchangeKeyPair.supports(method) && method.isKeyEncapsulation)
        #expect(pair.publicValue.count == key && answer.publicValue.count == ciphertext)
        #expect(answer.secret.count == 32)
        #expect(try pair.sharedSecret(with: answer.publicValue).isEqual(to: answer.secret))
    }

    /// FIPS 203 §7.2: the length, and that every coefficient is below the modulus 3329.
    @Test(arguments: encapsulations)
    func encapsulationKeysAreChecked(method: KeyExchangeMethod, key: Int, _: Int) throws {
        var random: any RandomSource = SeededRandomSource(seed: 5)
        let pair = try KeyExchangeKeyPair.generate(method, random: &random)
        var tooLarge = pair.publicValue
        // The first coefficient, of twelve bits, becomes 4095.
        tooLarge[0] = 0xff
        tooLarge[1] |= 0x0f
        for value in [[], Array(pair.publicValue.dropLast()), pair.publicValue + [0], tooLarge] {
            #expect(throws: CryptoError.invalidPublicValue) {
                try KeyExchangeKeyPair.answer(method, to: value, random: &random)
            }
        }
    }

    /// FIPS 203 §6.3: a ciphertext that was tampered with gives a secret, but not the peer's.
    @Test(arguments: encapsulations)
    func implicitRejection(method: KeyExchangeMethod, _: Int, _: Int) throws {
        var random: any RandomSource = SeededRandomSource(seed: 6)
        let pair = try KeyExchangeKeyPair.generate(method, random: &random)
        let answer = try KeyExchangeKeyPair.answer(method, to: pair.publicValue, random: &random)
        var damaged = answer.publicValue
        damaged[100] ^= 1
        #expect(!(try pair.sharedSecret(with: damaged).isEqual(to: answer.secret)))
    }

    @Test(arguments: methods)
    func anAnswerAgrees(method: KeyExchangeMethod) throws {
        var random: any RandomSource = SeededRandomSource(seed: 9)
        let pair = try KeyExchangeKeyPair.generate(method, random: &random)
        let answer = try KeyExchangeKeyPair.answer(method, to: pair.publicValue, random: &random)
        #expect(try pair.sharedSecret(with: answer.publicValue).isEqual(to: answer.secret))
    }

    @Test(arguments: encapsulations)
    func theStandInForRunsToRepeat(method: KeyExchangeMethod, key: Int, ciphertext: Int) throws {
        let provider = ReproducibleKeyEncapsulation()
        func run() throws -> (key: [UInt8], answer: KeyExchangeAnswer) {
            var random: any RandomSource = SeededRandomSource(seed: 5)
            let pair = try KeyExchangeKeyPair.generate(
                method,
                random: &random,
                keyEncapsulation: provider
            )
            let answer = try KeyExchangeKeyPair.answer(
                method,
                to: pair.publicValue,
                random: &random,
                keyEncapsulation: provider
            )
            #expect(try pair.sharedSecret(with: answer.publicValue).isEqual(to: answer.secret))
            var damaged = answer.publicValue
            damaged[100] ^= 1
            #expect(!(try pair.sharedSecret(with: damaged).isEqual(to: answer.secret)))
            return (pair.publicValue, answer)
        }
        let (one, other) = (try run(), try run())
        #expect(one.key == other.key && one.key.count == key)
        #expect(one.answer.publicValue == other.answer.publicValue)
        #expect(one.answer.publicValue.count == ciphertext)
        #expect(one.answer.secret.isEqual(to: other.answer.secret))
    }

    @Test(arguments: [
        (KeyExchangeMethod.curve25519, 32, 32), (.ecp256, 64, 32), (.ecp384, 96, 48),
    ])
    func theStandInForCurves(method: KeyExchangeMethod, octets: Int, drawn: Int) throws {
        let provider = ReproducibleKeyEncapsulation(standsInForCurves: true)
        var random: any RandomSource = SeededRandomSource(seed: 6)
        var reference: any RandomSource = SeededRandomSource(seed: 6)
        let pair = try KeyExchangeKeyPair.generate(
            method,
            random: &random,
            keyEncapsulation: provider
        )
        _ = reference.bytes(drawn)
        #expect(pair.publicValue.count == octets)
        let answer = try KeyExchangeKeyPair.answer(
            method,
            to: pair.publicValue,
            random: &random,
            keyEncapsulation: provider
        )
        _ = reference.bytes(drawn)
        #expect(random.bytes(8) == reference.bytes(8))
        #expect(answer.publicValue.count == octets)
        #expect(try pair.sharedSecret(with: answer.publicValue).isEqual(to: answer.secret))
        var damaged = answer.publicValue
        damaged[1] ^= 1
        if method == .curve25519 {
            #expect(!(try pair.sharedSecret(with: damaged).isEqual(to: answer.secret)))
        } else {
            #expect(throws: CryptoError.invalidPublicValue) {
                _ = try pair.sharedSecret(with: damaged)
            }
        }
    }
}
