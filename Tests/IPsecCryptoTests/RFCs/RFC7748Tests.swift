import IPsecCrypto
import IPsecPrimitives
import Testing

/// Curve25519 (RFC 7748 §5.2, §6.1).
@Suite struct RFC7748Tests {
    private func pair(_ privateValue: [UInt8]) throws -> KeyExchangeKeyPair {
        var random: any RandomSource = FixedRandomSource(content: privateValue)
        return try KeyExchangeKeyPair.generate(.curve25519, random: &random)
    }

    @Test(arguments: [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"
        ),
    ])
    func function(scalar: String, coordinate: String, output: String) throws {
        #expect(try pair(hex(scalar)).sharedSecret(with: hex(coordinate)).copy() == hex(output))
    }

    @Test func exchange() throws {
        let alice = try pair(
            hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
        )
        let bob = try pair(hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))
        #expect(
            alice.publicValue
                == hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
        )
        #expect(
            bob.publicValue
                == hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
        )
        let secret = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
        #expect(try alice.sharedSecret(with: bob.publicValue).copy() == secret)
        #expect(try bob.sharedSecret(with: alice.publicValue).copy() == secret)
    }

    @Test func thousandIterations() throws {
        var scalar = [9] + [UInt8](repeating: 0, count: 31)
        var coordinate = scalar
        for _ in 0..<1000 {
            let output = try pair(scalar).sharedSecret(with: coordinate).copy()
            (scalar, coordinate) = (output, scalar)
        }
        #expect(
            scalar == hex("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51")
        )
    }
}
