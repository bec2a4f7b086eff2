internal import IPsecCrypto
internal import IPsecPrimitives

/// Cookies without state: a secret that changes, and a code over who asks (RFC 7296 §2.6).
///
/// Cookie = <VersionIDofSecret> | PRF(secret, Ni | IPi | SPIi).
struct CookieJar {
    private static let secretLifetime: Duration = .seconds(60)

    private struct Generation {
        let version: UInt8
        let secret: SecretBytes
        let madeAt: Instant
    }

    private let prf = PRF(.hmacSHA256)!
    private var current: Generation?
    private var previous: Generation?

    mutating func cookie(
        nonce: [UInt8],
        address: IPAddress,
        initiatorSPI: IKESPI,
        at now: Instant,
        random: inout any RandomSource
    ) -> [UInt8] {
        let generation = freshGeneration(at: now, random: &random)
        return code(generation, nonce, address, initiatorSPI)
    }

    /// Whether a cookie is one that this end gave for the same nonce, address and SPI, not long ago.
    func accepts(
        _ cookie: [UInt8],
        nonce: [UInt8],
        address: IPAddress,
        initiatorSPI: IKESPI,
        at now: Instant
    ) -> Bool {
        for generation in [current, previous].compactMap({ $0 })
        where cookie.first == generation.version
            && now - generation.madeAt < CookieJar.secretLifetime * 2
        {
            return equalInConstantTime(cookie, code(generation, nonce, address, initiatorSPI))
        }
        return false
    }

    private mutating func freshGeneration(
        at now: Instant,
        random: inout any RandomSource
    ) -> Generation {
        if let current, now - current.madeAt < CookieJar.secretLifetime { return current }
        var bytes = random.bytes(32)
        let made = Generation(
            version: (current?.version ?? 0) &+ 1,
            secret: SecretBytes(consuming: &bytes),
            madeAt: now
        )
        previous = current
        current = made
        return made
    }

    private func code(
        _ generation: Generation,
        _ nonce: [UInt8],
        _ address: IPAddress,
        _ spi: IKESPI
    ) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(spi.rawValue)
        return [generation.version]
            + prf.compute(key: generation.secret, nonce, address.bytes, writer.bytes).copy()
    }
}
