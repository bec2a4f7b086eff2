import IKECredentials
import IPsecPrimitives
import Testing

@testable internal import IKEProtocol

/// Tickets by value: what is in them, who can read them, and what is remembered of them.
@Suite("Tickets")
struct TicketTests {
    private let start = Instant(nanoseconds: 1_000_000_000)
    private static let week = Duration.seconds(7 * 86_400)

    private func sealer(_ secret: UInt8 = 1) -> TicketSealer {
        TicketSealer(
            secret: SecretBytes([UInt8](repeating: secret, count: 32)),
            secondsSince1970: 1_900_000_000,
            at: start
        )!
    }

    private var content: TicketContent {
        TicketContent(
            remoteIdentity: Identity("left.example")!,
            localIdentity: Identity("192.0.2.2")!,
            localSPI: IKESPI(rawValue: 0x0102_0304_0506_0708),
            transforms: [
                .encryption(.aesGCM16, keyLengthBits: 256), .pseudorandomFunction(.hmacSHA384),
                .keyExchange(.curve25519),
            ],
            derivation: SecretBytes((0..<48).map { UInt8($0) }),
            isSignedInFull: true,
            usesPPK: false,
            authenticatedAt: 1_900_000_000,
            expiresAt: 1_900_003_600,
            connection: "site",
            binding: [UInt8](repeating: 9, count: TicketContent.bindingOctets)
        )
    }

    @Test("what is sealed is what is opened, by whoever has the secret and by nobody else")
    func roundTrip() throws {
        var random: any RandomSource = SeededRandomSource(seed: 5)
        let ticket = try #require(sealer().seal(content, at: start, random: &random))
        let opened = try #require(sealer().open(ticket, at: start))
        #expect(opened.remoteIdentity == content.remoteIdentity)
        #expect(opened.localIdentity == content.localIdentity)
        #expect(opened.localSPI == content.localSPI && opened.transforms == content.transforms)
        #expect(opened.derivation.isEqual(to: content.derivation))
        #expect(opened.isSignedInFull && !opened.usesPPK && opened.connection == "site")
        #expect(opened.authenticatedAt == content.authenticatedAt)
        #expect(opened.expiresAt == content.expiresAt && opened.binding == content.binding)
        #expect(sealer(2).open(ticket, at: start) == nil)
        let again = try #require(sealer().seal(content, at: start, random: &random))
        #expect(again != ticket)
    }

    @Test("keys change every week, and the last week's still opens")
    func rotation() throws {
        var random: any RandomSource = SeededRandomSource(seed: 5)
        let ticket = try #require(sealer().seal(content, at: start, random: &random))
        let later = try #require(
            sealer().seal(content, at: start + TicketTests.week, random: &random)
        )
        #expect(ticket[4..<12] != later[4..<12])
        #expect(sealer().open(ticket, at: start + TicketTests.week) != nil)
        #expect(sealer().open(ticket, at: start + TicketTests.week * 2) == nil)
        // One from the future was made while the clock was wrong.
        #expect(sealer().open(later, at: start) == nil)
    }

    @Test("any bytes are a ticket or none, and so is any content behind the seal")
    func anyBytes() throws {
        var random: any RandomSource = SeededRandomSource(seed: 6)
        let ticket = try #require(sealer().seal(content, at: start, random: &random))
        let plain = content.serialised()
        for round in 0..<5000 {
            var forged = ticket
            forged[Int(random.next32()) % forged.count] ^= UInt8(1 << (round % 8))
            #expect(sealer().open(forged, at: start) == nil)
            let length = Int(random.next32()) % 200
            #expect(sealer().open(random.bytes(length), at: start) == nil)
            var mutated = plain
            for _ in 0...(round % 3) {
                mutated[Int(random.next32()) % mutated.count] = random.bytes(1)[0]
            }
            if round.isMultiple(of: 2) {
                mutated.removeLast(Int(random.next32()) % mutated.count)
            }
            if let read = try? TicketContent(reading: mutated) {
                #expect(read.binding.count == TicketContent.bindingOctets)
            }
        }
        for length in 0..<plain.count {
            #expect(throws: ByteReader.Failure.self) {
                try TicketContent(reading: Array(plain.prefix(length)))
            }
        }
    }

    @Test("what is remembered of tickets is bounded, and forgotten when they have expired")
    func ledger() {
        var ledger = TicketLedger(limit: 100)
        for number in 0..<1000 {
            let now = UInt64(1000 + number)
            let spi = IKESPI(rawValue: UInt64(number + 1))
            ledger.invalidate(spi, until: now + 60, now: now)
            #expect(ledger.isInvalid(spi))
            #expect(ledger.count <= 100)
        }
        // Those of the last minute, all of them.
        for number in 941..<1000 { #expect(ledger.isInvalid(IKESPI(rawValue: UInt64(number + 1)))) }
        ledger.invalidate(IKESPI(rawValue: 7777), until: 5, now: 6)
        #expect(!ledger.isInvalid(IKESPI(rawValue: 7777)))
        ledger.setPresentations(
            [IKESPI(rawValue: 1)],
            of: IKESPI(rawValue: 8888),
            until: 2100,
            now: 2000
        )
        #expect(!ledger.isInvalid(IKESPI(rawValue: 8888)))
        #expect(ledger.presentations(of: IKESPI(rawValue: 8888)) == [IKESPI(rawValue: 1)])
    }
}
