import IPsecCrypto
import IPsecPrimitives
import Testing

/// The examples of RFC 5114 and RFC 6954, and powers by another arithmetic than ours.
@Suite struct IndependentKeyExchangeTests {
    struct Case: Decodable {
        let source: String
        let group: UInt16
        let privateA: String
        let publicA: String
        let privateB: String
        let publicB: String
        let shared: String
    }

    @Test func groups() throws {
        let cases = try loadVectors("key-exchange", as: [Case].self)
        #expect(cases.count == 15)
        for vector in cases {
            let method = KeyExchangeMethod(rawValue: vector.group)
            let one = try pair(method, vector.privateA)
            let other = try pair(method, vector.privateB)
            #expect(one.publicValue == hex(vector.publicA), "\(vector.source)")
            #expect(other.publicValue == hex(vector.publicB), "\(vector.source)")
            let shared = hex(vector.shared)
            #expect(try one.sharedSecret(with: other.publicValue).copy() == shared)
            #expect(try other.sharedSecret(with: one.publicValue).copy() == shared)
        }
    }

    /// RFC 6989 §2.3: a point that is not on the curve, or a coordinate that is no element of the
    /// field, is refused.
    @Test func pointsOffTheCurve() throws {
        let cases = try loadVectors("key-exchange", as: [Case].self)
        for vector in cases where vector.group >= 19 {
            let one = try pair(KeyExchangeMethod(rawValue: vector.group), vector.privateA)
            var point = hex(vector.publicB)
            point[point.count - 1] ^= 1
            let large = [UInt8](repeating: 0xff, count: point.count)
            let zero = [UInt8](repeating: 0, count: point.count)
            for bad in [point, large, zero] {
                #expect(throws: CryptoError.invalidPublicValue) { try one.sharedSecret(with: bad) }
            }
        }
    }

    private func pair(
        _ method: KeyExchangeMethod,
        _ privateValue: String
    ) throws -> KeyExchangeKeyPair {
        var random: any RandomSource = FixedRandomSource(content: hex(privateValue))
        return try KeyExchangeKeyPair.generate(method, random: &random)
    }
}

/// The functions made of AES and MD5.
@Suite struct FunctionVectorTests {
    struct Case: Decodable {
        let source: String
        let function: UInt16
        let key: String
        let message: String
        let output: String
    }

    @Test func functions() throws {
        let cases = try loadVectors("aes-and-md5-functions", as: [Case].self)
        #expect(cases.count == 16)
        for vector in cases {
            let prf = try #require(PRF(PseudorandomFunction(rawValue: vector.function)))
            let output = prf.compute(key: SecretBytes(hex(vector.key)), hex(vector.message))
            #expect(output.copy() == hex(vector.output), "\(vector.source)")
            #expect(prf.outputLength == hex(vector.output).count)
        }
    }

    /// RFC 7296 §2.13: each block is the function of the one before, the seed and a number.
    @Test(arguments: [PseudorandomFunction.aes128XCBC, .aes128CMAC, .hmacMD5])
    func expansion(function: PseudorandomFunction) throws {
        let prf = try #require(PRF(function))
        let key = SecretBytes(hex("000102030405060708090a0b0c0d0e0f"))
        let seed = hex("feedfacecafebeef")
        var block: [UInt8] = []
        var expected: [UInt8] = []
        for number in UInt8(1)...4 {
            block = prf.compute(key: key, block + seed + [number]).copy()
            expected += block
        }
        #expect(prf.plus(key: key, seed: seed, length: 61).copy() == Array(expected.prefix(61)))
    }

    /// RFC 7296 §2.14: with these functions, only 64 bits of each nonce are in the key of the
    /// first SKEYSEED.
    @Test(arguments: [PseudorandomFunction.aes128XCBC, .aes128CMAC])
    func firstSeedTakesHalfAKeyOfEachNonce(function: PseudorandomFunction) throws {
        let prf = try #require(PRF(function))
        let suite = makeSuite(.aesCBC, 128, .aesXCBC96)
        let nonces = (Array(UInt8(1)...32), Array(UInt8(101)...132))
        let secret = SecretBytes(Array(repeating: 9, count: 32))
        let context = IKEKeys.Context(
            nonceInitiator: nonces.0,
            nonceResponder: nonces.1,
            spiInitiator: IKESPI(rawValue: 1),
            spiResponder: IKESPI(rawValue: 2)
        )
        let keys = IKEKeys.derive(
            prf: prf,
            cipherSuite: suite,
            context: context,
            sharedSecret: secret
        )
        let seed = prf.compute(
            key: SecretBytes(nonces.0.prefix(8) + nonces.1.prefix(8)),
            secret
        )
        let material = prf.plus(
            key: seed,
            seed: nonces.0 + nonces.1 + [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2],
            length: 16
        )
        #expect(keys.derivation.isEqual(to: material))
    }
}
