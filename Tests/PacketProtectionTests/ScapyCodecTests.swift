internal import Foundation
internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

/// Where the packets of the moment are; nil where none were made.
private let codecFolder = ProcessInfo.processInfo.environment["CYGNET_CODEC"]

/// Random packets that Scapy sealed a moment ago, and some for Scapy to open: one half of
/// `python3 -m Tests.Codec`, which names the folder of both.
@Suite(.enabled(if: codecFolder != nil))
struct ScapyCodecTests {
    /// Modes, versions of the outer header and kinds of numbers, in which each suite comes.
    private static let modes = 8

    private struct Case {
        var tunnel: TestTunnel
        var transforms: [PacketCipher.Direction: PacketTransform]
        var spi: SPI
        var number: UInt64
        var isExtended: Bool
        var inner: [UInt8]
        var datagram: [UInt8]
        var hasHeader: Bool

        private var isV4: Bool { inner[0] >> 4 == 4 }

        /// The fields of the header that go beside a datagram of transport mode.
        var trafficClass: UInt8 {
            if hasHeader || !tunnel.carriage.isTransport { return 0 }
            return isV4 ? inner[1] : inner[0] << 4 | inner[1] >> 4
        }

        var hopLimit: UInt8 {
            if hasHeader || !tunnel.carriage.isTransport { return 0 }
            return isV4 ? inner[8] : inner[7]
        }

        /// What arrives, by the far end.
        func received() throws -> [[UInt8]] {
            let far = TestGateway()
            var receiving = try tunnel.inbound()
            receiving.spi = spi
            receiving.transform = try #require(transforms[.open])
            receiving.isExtendedSequence = isExtended
            receiving.initialSequence = isExtended ? number - 5 : 0
            far.apply(.installInbound(receiving))
            let run = SentRun(
                datagrams: [datagram],
                segmentSize: datagram.count,
                trafficClass: trafficClass,
                dontFragment: true,
                path: tunnel.path,
                hopLimit: hopLimit,
                hasHeader: hasHeader
            )
            return far.receive([run])
        }

        /// What the near end sends.
        func sent() throws -> [SentRun] {
            let near = TestGateway()
            near.apply(TestTunnel.everything)
            var sending = try tunnel.outbound()
            sending.spi = spi
            sending.transform = try #require(transforms[.seal])
            sending.isExtendedSequence = isExtended
            sending.initialSequence = number - 1
            near.apply(.installOutbound(sending))
            return near.send([TestPackets.plain(inner)])
        }
    }

    private func lines(_ name: String) throws -> [[Substring]] {
        let place = try #require(codecFolder) + "/" + name
        return try String(contentsOfFile: place, encoding: .utf8).split(separator: "\n")
            .map { $0.split(separator: " ") }
    }

    private func octets(_ text: Substring) throws -> [UInt8] {
        if text == "-" { return [] }
        let digits = Array(text.utf8)
        return try stride(from: 0, to: digits.count - 1, by: 2).map {
            try #require(UInt8(String(decoding: digits[$0...$0 + 1], as: UTF8.self), radix: 16))
        }
    }

    private func number(_ octets: [UInt8]) -> UInt64 { octets.reduce(0) { $0 << 8 | UInt64($1) } }

    private func encryptedCase(
        _ fields: [Substring],
        _ backEnd: PacketCipherBackEnd
    ) throws -> Case {
        let data = try fields[3...].map(octets)
        let words = fields[2].split(separator: "-").map(String.init)
        let encryption = try #require(ProposalKeyword.transform(for: words[0]))
        let integrity = words.count < 2 ? nil : ProposalKeyword.transform(for: words[1])
        let suite = try #require(
            CipherSuite(
                encryption: encryption,
                integrity: integrity.map { IntegrityAlgorithm(rawValue: $0.identifier) }
            )
        )
        let keys = ESPKeys(encryption: SecretBytes(data[0]), integrity: SecretBytes(data[1]))
        let isExtended = data[4] == [1]
        func transform(_ direction: PacketCipher.Direction) throws -> PacketTransform {
            .cipher(
                try PacketCipher(
                    suite: suite,
                    keys: keys,
                    isExtendedSequence: isExtended,
                    direction: direction,
                    backEnd: backEnd
                )
            )
        }
        return Case(
            tunnel: TestTunnel(
                encapsulation: .esp,
                outer: fields[1] == "4" ? .v4 : .v6,
                carriage: fields[0] == "transport" ? .espTransport : .espTunnel
            ),
            transforms: [.open: try transform(.open), .seal: try transform(.seal)],
            spi: SPI(rawValue: UInt32(number(data[2]))),
            number: number(data[3]),
            isExtended: isExtended,
            inner: data[5],
            datagram: data[6],
            hasHeader: false
        )
    }

    @Test func whatScapyEncryptsIsOpened() throws {
        var made: [String] = []
        let backEnds = PacketCipherBackEnd.available
        // Each suite is there in each mode several times, so that each back end has its turn.
        for (index, fields) in try lines("esp.txt").enumerated() {
            let backEnd = backEnds[(index + index / Self.modes) % backEnds.count]
            let each = try encryptedCase(fields, backEnd)
            let name =
                "\(fields[..<3].joined(separator: " ")) by \(backEnd)"
                + (each.isExtended ? ", extended" : "")
            #expect(try each.received() == [TestPackets.plain(each.inner)], "\(name)")
            let runs = try each.sent()
            #expect(runs.map(\.datagrams.count) == [1], "\(name)")
            #expect(runs.map(\.hopLimit) == [each.hopLimit], "\(name)")
            let datagram = runs.first?.datagrams.first ?? []
            made.append(datagram.map { hexadecimalOctet($0) }.joined())
        }
        let place = try #require(codecFolder) + "/esp-made.txt"
        try made.joined(separator: "\n").write(toFile: place, atomically: true, encoding: .utf8)
    }

    private func hexadecimalOctet(_ octet: UInt8) -> String {
        (octet < 16 ? "0" : "") + String(octet, radix: 16)
    }

    @Test func whatScapyAuthenticatesIsVerifiedAndMade() throws {
        for fields in try lines("ah.txt") {
            let data = try fields[2...].map(octets)
            let word = try #require(ProposalKeyword.transform(for: String(fields[1])))
            let isExtended = data[3] == [1]
            func transform(_ direction: PacketCipher.Direction) throws -> PacketTransform {
                .authenticator(
                    try PacketAuthenticator(
                        integrity: IntegrityAlgorithm(rawValue: word.identifier),
                        key: SecretBytes(data[0]),
                        isExtendedSequence: isExtended,
                        direction: direction
                    )
                )
            }
            let each = Case(
                tunnel: TestTunnel(
                    encapsulation: .esp,
                    outer: data[5][0] >> 4 == 4 ? .v4 : .v6,
                    carriage: fields[0] == "transport" ? .ahTransport : .ahTunnel
                ),
                transforms: [.open: try transform(.open), .seal: try transform(.seal)],
                spi: SPI(rawValue: UInt32(number(data[1]))),
                number: number(data[2]),
                isExtended: isExtended,
                inner: data[4],
                datagram: data[5],
                hasHeader: true
            )
            let name = "\(fields[0]) \(fields[1])\(isExtended ? " extended" : "")"
            #expect(try each.received() == [TestPackets.plain(each.inner)], "\(name)")
            #expect(try each.sent().map(\.datagrams) == [[each.datagram]], "\(name)")
        }
    }
}
