import IPsecCrypto
import IPsecPrimitives
import Testing

@Suite struct IKECipherTests {
    private func cipher(_ suite: CipherSuite) throws -> IKECipher {
        var random = SeededRandomSource(seed: 31)
        let keys = randomKeys(suite, &random)
        return try IKECipher(
            suite: suite,
            encryptionKey: keys.encryption,
            integrityKey: keys.integrity
        )
    }

    @Test(arguments: allSuites.filter(\.isForIKE))
    func roundTrip(suite: CipherSuite) throws {
        let cipher = try cipher(suite)
        var random = SeededRandomSource(seed: 32)
        for length in [0, 16, 32, 48, 304, 1280] {
            let plaintext = random.bytes(length)
            let header = random.bytes(32)
            let iv = random.bytes(cipher.ivLength)
            let content = try cipher.seal(plaintext, associatedData: header, iv: iv)
            #expect(content.count == cipher.ivLength + length + cipher.icvLength)
            #expect(Array(content.prefix(cipher.ivLength)) == iv)
            #expect(try cipher.open(content[...], associatedData: header[...]) == plaintext)
        }
    }

    @Test(arguments: allSuites.filter(\.isForIKE))
    func everyBitIsCovered(suite: CipherSuite) throws {
        let cipher = try cipher(suite)
        let header = [UInt8](0..<32)
        let content = try cipher.seal(
            [UInt8](repeating: 9, count: 16),
            associatedData: header,
            iv: [UInt8](repeating: 1, count: cipher.ivLength)
        )
        for index in content.indices {
            var damaged = content
            damaged[index] ^= 0x80
            #expect(throws: CryptoError.authenticationFailed) {
                try cipher.open(damaged[...], associatedData: header[...])
            }
        }
        for index in header.indices {
            var damaged = header
            damaged[index] ^= 1
            #expect(throws: CryptoError.authenticationFailed) {
                try cipher.open(content[...], associatedData: damaged[...])
            }
        }
    }

    @Test(arguments: allSuites.filter(\.isForIKE))
    func contentTooShort(suite: CipherSuite) throws {
        let cipher = try cipher(suite)
        for length in 0..<(cipher.ivLength + cipher.icvLength) {
            let content = [UInt8](repeating: 0, count: length)
            #expect(throws: CryptoError.invalidLength) {
                try cipher.open(content[...], associatedData: [])
            }
        }
    }

    @Test func lengthsThatCBCRefuses() throws {
        let cipher = try cipher(makeSuite(.aesCBC, 128, .hmacSHA256_128))
        let iv = [UInt8](repeating: 1, count: 16)
        #expect(throws: CryptoError.invalidLength) {
            try cipher.seal([1], associatedData: [], iv: iv)
        }
        #expect(throws: CryptoError.invalidLength) {
            try cipher.open([UInt8](repeating: 0, count: 33)[...], associatedData: [])
        }
        #expect(throws: CryptoError.invalidLength) {
            try cipher.seal([], associatedData: [], iv: Array(iv.dropLast()))
        }
    }

    @Test func keysOfWrongLength() {
        #expect(throws: CryptoError.invalidKeyLength(expected: 36, actual: 32)) {
            try IKECipher(
                suite: makeSuite(.aesGCM16, 256),
                encryptionKey: SecretBytes([UInt8](repeating: 0, count: 32)),
                integrityKey: SecretBytes([])
            )
        }
        #expect(throws: CryptoError.invalidKeyLength(expected: 32, actual: 0)) {
            try IKECipher(
                suite: makeSuite(.aesCBC, 128, .hmacSHA256_128),
                encryptionKey: SecretBytes([UInt8](repeating: 0, count: 16)),
                integrityKey: SecretBytes([])
            )
        }
    }
}
