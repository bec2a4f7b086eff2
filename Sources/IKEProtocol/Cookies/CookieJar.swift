internal import IPsecCrypto
internal import IPsecPrimitives

/// Cookies without state: a secret that changes, and a code over who asks (RFC 7296 §2.6), with
/// the puzzle that was given along with it (RFC 8019 §7.1.1.3).
///
/// Cookie = <VersionIDofSecret> | <PRF of the puzzle> | <Difficulty> |
///          PRF(secret, <PRF of the puzzle> | <Difficulty> | SPIi | IPi | Ni).
struct CookieJar {
    private static let secretLifetime: Duration = .seconds(60)
    private static let prefixOctets = 4

    private struct Generation {
        let version: UInt8
        let secret: SecretBytes
        let madeAt: Instant
    }

    /// What a cookie of ours that comes back tells.
    struct Origin: Equatable {
        /// The puzzle that went with it.
        let puzzle: Puzzle?
    }

    /// Who asks; a port is no part of it, because a NAT may change it (RFC 9329 §6.3).
    struct Asker {
        let nonce: ArraySlice<UInt8>
        let address: IPAddress
        let initiatorSPI: IKESPI
    }

    private let prf = PRF(.hmacSHA256)!
    private var current: Generation?
    private var previous: Generation?

    mutating func cookie(
        for asker: Asker,
        with puzzle: Puzzle?,
        at now: Instant,
        random: inout any RandomSource
    ) -> [UInt8] {
        let generation = freshGeneration(at: now, random: &random)
        let function = puzzle?.function.rawValue ?? 0
        let prefix = [
            generation.version, UInt8(function >> 8), UInt8(function & 255),
            puzzle?.difficulty ?? 0,
        ]
        return prefix + code(generation.secret, prefix[...], asker).copy()
    }

    /// Where a cookie comes from; nil when it is not one that this end gave for the same nonce,
    /// address and SPI, not long ago.
    func origin(of cookie: ArraySlice<UInt8>, from asker: Asker, at now: Instant) -> Origin? {
        guard cookie.count == CookieJar.prefixOctets + prf.outputLength, let version = cookie.first
        else { return nil }
        let generation = [current, previous].compactMap(\.self).first { $0.version == version }
        guard let generation, now - generation.madeAt < CookieJar.secretLifetime * 2 else {
            return nil
        }
        let prefix = cookie.prefix(CookieJar.prefixOctets)
        let expected = code(generation.secret, prefix, asker)
        guard expected.isEqual(to: SecretBytes(cookie.dropFirst(CookieJar.prefixOctets))) else {
            return nil
        }
        let fields = Array(prefix)
        let function = UInt16(fields[1]) << 8 | UInt16(fields[2])
        guard function != 0 else { return Origin(puzzle: nil) }
        return Origin(
            puzzle: Puzzle(
                function: PseudorandomFunction(rawValue: function),
                difficulty: fields[3]
            )
        )
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
        _ secret: SecretBytes,
        _ prefix: ArraySlice<UInt8>,
        _ asker: Asker
    ) -> SecretBytes {
        var writer = ByteWriter(reserving: 32 + asker.nonce.count)
        writer.write(prefix.dropFirst())
        writer.write(asker.initiatorSPI.rawValue)
        switch asker.address {
        case .v4(let address): writer.write(address.bits)
        case .v6(let address): writer.write(address.bytes)
        }
        writer.write(asker.nonce)
        return prf.compute(key: secret, writer.bytes)
    }
}
