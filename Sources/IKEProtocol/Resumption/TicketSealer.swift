internal import IPsecCrypto
package import IPsecPrimitives

/// Seals tickets by value and opens them (RFC 5723 §6.1, §9.5).
///
///     version (1) | reserved (3) | key identity (8) | salt (16) | content, AES-256-GCM | tag (16)
///
/// Keys come from a secret that only this end has and that serves for nothing else. Every week has
/// another, and the last week's still opens. Every ticket has a key of its own, from its salt, so
/// that no counter of initialisation vectors has to survive a restart.
package struct TicketSealer: Sendable {
    private static let version: [UInt8] = [1, 0, 0, 0]
    private static let saltOctets = 16
    private static let keyOctets = 36
    private static let headerOctets = 28
    private static let tagOctets = 16
    /// One key serves once: any vector is new.
    private static let vector = [UInt8](repeating: 0, count: 8)
    /// RFC 5723 §6.2: the key "MUST have a lifetime that is significantly longer than the lifetime
    /// of an IKE SA".
    private static let secondsOfKey: UInt64 = 7 * 86_400
    private static let octetLimit = 4096

    private let secret: SecretBytes
    private let prf: PRF
    private let suite: CipherSuite
    /// What the clock on the wall said, and when.
    private let wallSeconds: UInt64
    private let readAt: Instant

    /// - Parameters:
    ///   - secret: 16 octets at least, unknown to anybody else.
    ///   - secondsSince1970: of the clock on the wall at `now`: a ticket outlives the clock of
    ///     `Instant`, which begins anew with the machine.
    /// - Returns: nil for a secret that is too short.
    package init?(secret: SecretBytes, secondsSince1970: UInt64, at now: Instant) {
        guard secret.count >= 16, let prf = PRF(.hmacSHA256),
            let suite = CipherSuite(
                encryption: Transform(
                    type: .encryption,
                    identifier: EncryptionAlgorithm.aesGCM16.rawValue,
                    keyLengthBits: 256
                ),
                integrity: nil
            )
        else { return nil }
        self.secret = secret
        self.prf = prf
        self.suite = suite
        wallSeconds = secondsSince1970
        readAt = now
    }

    /// Seconds since 1970.
    func wallSeconds(at now: Instant) -> UInt64 {
        let (sum, overflow) = wallSeconds.addingReportingOverflow(
            UInt64(max(0, (now - readAt).components.seconds))
        )
        return overflow ? .max : sum
    }

    func seal(
        _ content: TicketContent,
        at now: Instant,
        random: inout any RandomSource
    ) -> [UInt8]? {
        let period = wallSeconds(at: now) / TicketSealer.secondsOfKey
        let salt = random.bytes(TicketSealer.saltOctets)
        let header = TicketSealer.version + identity(of: period) + salt
        guard let cipher = cipher(period, salt) else { return nil }
        var plaintext = content.serialised()
        defer { wipe(&plaintext) }
        guard
            let sealed = try? cipher.seal(
                plaintext,
                associatedData: header,
                iv: TicketSealer.vector
            )
        else { return nil }
        return header + sealed.dropFirst(TicketSealer.vector.count)
    }

    /// Nil for whatever is not a ticket of ours. Any bytes will do, and cost two or three short
    /// codes (RFC 5723 §9.3); whether the ticket still serves is another question.
    func open(_ ticket: [UInt8], at now: Instant) -> TicketContent? {
        let header = ticket.prefix(TicketSealer.headerOctets)
        guard ticket.count <= TicketSealer.octetLimit,
            ticket.count >= TicketSealer.headerOctets + TicketSealer.tagOctets,
            Array(header.prefix(4)) == TicketSealer.version
        else { return nil }
        let current = wallSeconds(at: now) / TicketSealer.secondsOfKey
        let wanted = Array(header[4..<12])
        let period = [current, current &- 1].first { identity(of: $0) == wanted }
        guard let period,
            let cipher = cipher(period, Array(header[12..<TicketSealer.headerOctets])),
            var plaintext = try? cipher.open(
                (TicketSealer.vector + ticket.dropFirst(TicketSealer.headerOctets))[...],
                associatedData: header
            )
        else { return nil }
        defer { wipe(&plaintext) }
        return try? TicketContent(reading: plaintext)
    }

    /// A code that nobody can make or read anything from, of secrets and words that a ticket is to
    /// be held to.
    func binding(_ words: [UInt8], _ secrets: [SecretBytes]) -> [UInt8] {
        var code = prf.compute(key: secret, Array("Cygnet ticket binding".utf8), words)
        for secret in secrets { code = prf.compute(key: code, secret) }
        return code.copy()
    }

    private func identity(of period: UInt64) -> [UInt8] {
        let code = prf.compute(key: secret, Array("Cygnet ticket key ID".utf8), octets(period))
        return Array(code.copy().prefix(8))
    }

    private func cipher(_ period: UInt64, _ salt: [UInt8]) -> IKECipher? {
        let key = prf.compute(key: secret, Array("Cygnet ticket key".utf8), octets(period))
        return try? IKECipher(
            suite: suite,
            encryptionKey: prf.plus(key: key, seed: salt, length: TicketSealer.keyOctets),
            integrityKey: SecretBytes([])
        )
    }

    private func octets(_ value: UInt64) -> [UInt8] {
        var writer = ByteWriter(reserving: 8)
        writer.write(value)
        return writer.bytes
    }
}
