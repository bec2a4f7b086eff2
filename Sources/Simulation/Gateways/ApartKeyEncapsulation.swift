internal import IPsecCrypto
internal import IPsecPrimitives

/// A key encapsulation with random numbers of its own, so that the engine draws the same whichever
/// it is, and a run with the library's ML-KEM goes as one with the stand-in.
struct ApartKeyEncapsulation: KeyEncapsulationProvider {
    private let provider: any KeyEncapsulationProvider

    init(of provider: any KeyEncapsulationProvider) { self.provider = provider }

    func carries(_ method: KeyExchangeMethod) -> Bool { provider.carries(method) }

    func decapsulationKey(
        _ method: KeyExchangeMethod,
        random: inout any RandomSource
    ) throws(CryptoError) -> any DecapsulationKey {
        // For a curve as much is drawn as the library does.
        guard method.isKeyEncapsulation else {
            return try provider.decapsulationKey(method, random: &random)
        }
        var own = Self.branch(of: &random)
        return try provider.decapsulationKey(method, random: &own)
    }

    func encapsulate(
        _ method: KeyExchangeMethod,
        to publicValue: [UInt8],
        random: inout any RandomSource
    ) throws(CryptoError) -> KeyExchangeAnswer {
        guard method.isKeyEncapsulation else {
            return try provider.encapsulate(method, to: publicValue, random: &random)
        }
        var own = Self.branch(of: &random)
        return try provider.encapsulate(method, to: publicValue, random: &own)
    }

    /// Always the same number of octets, whatever is drawn from the branch.
    private static func branch(of random: inout any RandomSource) -> any RandomSource {
        let seed = random.bytes(8).reduce(0) { $0 << 8 | UInt64($1) }
        return GatewayRandomness(seed: seed, gateway: 0, life: 0, purpose: 2)
    }
}
