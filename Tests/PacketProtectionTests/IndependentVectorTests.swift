internal import Foundation
internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

/// Packets that Scapy sealed, see `Vectors/make-scapy-vectors.py`.
@Suite struct IndependentVectorTests {
    private struct Vector {
        var suite: CipherSuite
        var keys: ESPKeys
        var spi: SPI
        var number: UInt64
        var isExtended: Bool
        var inner: [UInt8]
        var datagram: [UInt8]
    }

    private static let suites: [String: CipherSuite?] = [
        "aes128gcm16": CipherSuite(
            encryption: .encryption(.aesGCM16, keyLengthBits: 128),
            integrity: nil
        ),
        "aes256gcm16": CipherSuite(
            encryption: .encryption(.aesGCM16, keyLengthBits: 256),
            integrity: nil
        ),
        "chacha20poly1305": CipherSuite(encryption: .encryption(.chaCha20Poly1305), integrity: nil),
        "aes128-sha256": CipherSuite(
            encryption: .encryption(.aesCBC, keyLengthBits: 128),
            integrity: .hmacSHA256_128
        ),
        "aes256-sha384": CipherSuite(
            encryption: .encryption(.aesCBC, keyLengthBits: 256),
            integrity: .hmacSHA384_192
        ),
        "aes256-sha512": CipherSuite(
            encryption: .encryption(.aesCBC, keyLengthBits: 256),
            integrity: .hmacSHA512_256
        ),
    ]

    private static func bytes(_ text: Substring) -> [UInt8] {
        if text == "-" { return [] }
        let digits = Array(text.utf8)
        return stride(from: 0, to: digits.count, by: 2).map {
            UInt8(String(decoding: digits[$0...$0 + 1], as: UTF8.self), radix: 16)!
        }
    }

    private static func vectors(_ name: String) throws -> [Vector] {
        let file = try #require(
            Bundle.module.url(
                forResource: name,
                withExtension: "txt",
                subdirectory: "Vectors"
            )
        )
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map { line in
            let fields = line.split(separator: " ")
            let data = fields[1...].map(bytes)
            return Vector(
                suite: try #require(suites[String(fields[0])] ?? nil),
                keys: ESPKeys(encryption: SecretBytes(data[0]), integrity: SecretBytes(data[1])),
                spi: SPI(rawValue: data[2].reduce(0) { $0 << 8 | UInt32($1) }),
                number: data[3].reduce(0) { $0 << 8 | UInt64($1) },
                isExtended: data[4] == [1],
                inner: data[5],
                datagram: data[6]
            )
        }
    }

    private func cipher(
        _ vector: Vector,
        _ direction: PacketCipher.Direction,
        _ backEnd: PacketCipherBackEnd
    ) throws -> PacketCipher {
        try PacketCipher(
            suite: vector.suite,
            keys: vector.keys,
            isExtendedSequence: vector.isExtended,
            direction: direction,
            backEnd: backEnd
        )
    }

    @Test(arguments: PacketCipherBackEnd.available)
    func scapysPacketsAreOpenedAndMade(backEnd: PacketCipherBackEnd) throws {
        let vectors = try Self.vectors("scapy-esp")
        #expect(vectors.count == 60)
        for vector in vectors { try judge(vector, TestTunnel(), backEnd) }
    }

    @Test(arguments: PacketCipherBackEnd.available)
    func thoseOfTransportModeToo(backEnd: PacketCipherBackEnd) throws {
        let vectors = try Self.vectors("scapy-esp-transport")
        #expect(vectors.count == 72)
        for vector in vectors {
            let tunnel = TestTunnel(
                encapsulation: .esp,
                outer: vector.inner[0] >> 4 == 4 ? .v4 : .v6,
                carriage: .espTransport
            )
            try judge(vector, tunnel, backEnd)
        }
    }

    private func judge(
        _ vector: Vector,
        _ tunnel: TestTunnel,
        _ backEnd: PacketCipherBackEnd
    ) throws {
        let far = TestGateway()
        var receiving = InboundSAParameters(
            identifier: SAIdentifier(rawValue: 1),
            policy: TestTunnel.policy,
            spi: vector.spi,
            selectors: tunnel.selectors,
            path: OuterPath(
                encapsulation: tunnel.encapsulation,
                local: tunnel.path.remote,
                remote: tunnel.path.local
            ),
            cipher: try cipher(vector, .open, backEnd),
            isExtendedSequence: vector.isExtended
        )
        receiving.carriage = tunnel.carriage
        receiving.initialSequence = vector.isExtended ? vector.number - 5 : 0
        far.apply(.installInbound(receiving))
        let isV4 = vector.inner[0] >> 4 == 4
        let run = SentRun(
            datagrams: [vector.datagram],
            segmentSize: vector.datagram.count,
            trafficClass: tunnel.carriage.isTransport ? isV4 ? 0xb8 : 0x2e : 0,
            dontFragment: true,
            path: tunnel.path,
            hopLimit: tunnel.carriage.isTransport ? isV4 ? 61 : 59 : 0
        )
        #expect(far.receive([run]) == [TestPackets.plain(vector.inner)])

        let near = TestGateway()
        near.apply(TestTunnel.everything)
        var sending = OutboundSAParameters(
            identifier: SAIdentifier(rawValue: 1),
            policy: TestTunnel.policy,
            spi: vector.spi,
            selectors: tunnel.selectors,
            path: tunnel.path,
            cipher: try cipher(vector, .seal, backEnd),
            isExtendedSequence: vector.isExtended
        )
        sending.carriage = tunnel.carriage
        sending.initialSequence = vector.number - 1
        near.apply(.installOutbound(sending))
        let sent = near.send([TestPackets.plain(vector.inner)])
        #expect(sent.map(\.datagrams) == [[vector.datagram]])
        #expect(sent.map(\.hopLimit) == [run.hopLimit])
    }
}
