internal import IPsecPrimitives
internal import Testing

@Suite struct BytesAndSecretsTests {
    @Test func readsWhatWasWritten() throws {
        var writer = ByteWriter()
        writer.write(UInt8(1))
        writer.write(UInt16(0x0203))
        writer.write(UInt32(0x0405_0607))
        writer.write(UInt64(0x0809_0a0b_0c0d_0e0f))
        writer.writeWithLength16 { $0.write([1, 2, 3]) }
        #expect(Array(writer.bytes.prefix(15)) == Array(1...15))
        var reader = ByteReader(writer.bytes)
        #expect(try reader.readUInt8() == 1)
        #expect(try reader.readUInt16() == 0x0203)
        #expect(try reader.readUInt32() == 0x0405_0607)
        #expect(try reader.readUInt64() == 0x0809_0a0b_0c0d_0e0f)
        #expect(try reader.readUInt16() == 5)
        var inner = try reader.sub(2)
        #expect(Array(inner.readRest()) == [1, 2])
        #expect(throws: ByteReader.Failure.trailing(count: 1)) { try reader.expectEnd() }
        #expect(throws: ByteReader.Failure.truncated(needed: 2, available: 1)) {
            try reader.readUInt16()
        }
        #expect(throws: ByteReader.Failure.truncated(needed: -1, available: 1)) {
            try reader.read(-1)
        }
    }

    @Test func secretsCompareAndCut() {
        let secret = SecretBytes([1, 2, 3, 4])
        #expect(secret.part(1..<3).isEqual(to: SecretBytes([2, 3])))
        #expect(!secret.isEqual(to: SecretBytes([1, 2, 3, 5])))
        #expect(!secret.isEqual(to: SecretBytes([1, 2, 3])))
        #expect(SecretBytes([]).isEqual(to: SecretBytes([])))
        var plain: [UInt8] = [9, 9]
        let moved = SecretBytes(consuming: &plain)
        #expect(plain.isEmpty)
        #expect(moved.copy() == [9, 9])
    }

    @Test func neverShowsASecret() {
        let secret = SecretBytes(Array("hunter2".utf8))
        #expect(!String(describing: secret).contains("hunter2"))
        #expect(!String(reflecting: secret).contains("hunter2"))
        var dumped = ""
        dump(secret, to: &dumped)
        #expect(!dumped.contains("hunter2"))
    }

    @Test func instantsStayWithinTheirRange() {
        let start = Instant(nanoseconds: 5)
        #expect(start + .nanoseconds(7) == Instant(nanoseconds: 12))
        #expect(start + .seconds(-1) == .origin)
        #expect(Instant.distantFuture + .seconds(1) == .distantFuture)
        #expect(start + .seconds(Int64.max) == Instant(nanoseconds: 5 + UInt64(Int64.max)))
        #expect(Instant(nanoseconds: 3) - start == .nanoseconds(-2))
    }

    @Test func seededRandomnessRepeats() {
        var first = SeededRandomSource(seed: 42)
        var second = SeededRandomSource(seed: 42)
        #expect(first.bytes(33) == second.bytes(33))
        var system = SystemRandomSource()
        #expect(system.bytes(33).count == 33)
        #expect(system.bytes(32) != system.bytes(32))
    }

    @Test func numbersAreTheNextBytes() {
        var bytes = SeededRandomSource(seed: 7)
        var numbers = SeededRandomSource(seed: 7)
        let octets = bytes.bytes(12)
        #expect(numbers.next64() == octets[..<8].reduce(0) { $0 << 8 | UInt64($1) })
        #expect(numbers.next32() == octets[8...].reduce(0) { $0 << 8 | UInt32($1) })
        #expect(numbers.bytes(4) == bytes.bytes(4))
    }

    @Test func noPooledByteComesTwice() {
        let source = PooledRandomSource()
        // Across several fillings of the pool, in shares of all kinds.
        var numbers: Set<UInt64> = []
        for _ in 0..<200 {
            numbers.insert(source.next64())
            numbers.insert(UInt64(source.next32()) << 32 | UInt64(source.next32()))
            numbers.insert(source.bytes(8).reduce(0) { $0 << 8 | UInt64($1) })
        }
        #expect(numbers.count == 600)
        #expect(source.bytes(64).count == 64)
        #expect(source.bytes(1000).contains { $0 != 0 })
    }

    @Test func proposalsSpeakTheWordsOfTheConfiguration() {
        let proposal = Proposal(
            securityProtocol: .ike,
            transforms: [
                .encryption(.aesGCM16, keyLengthBits: 256), .pseudorandomFunction(.hmacSHA256),
                .keyExchange(.curve25519),
            ]
        )
        #expect(proposal.description == "aes256gcm16-prfsha256-x25519")
        #expect(ProposalKeyword.transform(for: "curve25519") == .keyExchange(.curve25519))
        #expect(ProposalKeyword.transform(for: "des") == nil)
        for entry in ProposalKeyword.table {
            #expect(
                ProposalKeyword.transform(for: ProposalKeyword.name(of: entry.transform))
                    == entry.transform
            )
        }
    }
}
