internal import Foundation
internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

@Suite struct AuthenticationHeaderTests {
    /// AH with every algorithm that it may have.
    private static let algorithms: [IntegrityAlgorithm] = [
        .hmacSHA1_96, .hmacMD5_96, .hmacSHA256_128, .hmacSHA384_192, .hmacSHA512_256, .aesCMAC96,
        .aesXCBC96, .aes128GMAC, .aes192GMAC, .aes256GMAC,
    ]

    private static let words: [String: IntegrityAlgorithm] = [
        "sha1": .hmacSHA1_96, "md5": .hmacMD5_96, "sha256": .hmacSHA256_128,
        "sha384": .hmacSHA384_192, "sha512": .hmacSHA512_256, "aescmac": .aesCMAC96,
        "aes128gmac": .aes128GMAC, "aes192gmac": .aes192GMAC, "aes256gmac": .aes256GMAC,
    ]

    private struct Vector {
        var carriage: PacketCarriage
        var integrity: IntegrityAlgorithm
        var key: [UInt8]
        var spi: SPI
        var number: UInt64
        var isExtended: Bool
        var plain: [UInt8]
        var authenticated: [UInt8]

        var outer: IPVersion { authenticated[0] >> 4 == 4 ? .v4 : .v6 }
    }

    private static func bytes(_ text: Substring) -> [UInt8] {
        let digits = Array(text.utf8)
        return stride(from: 0, to: digits.count, by: 2).map {
            UInt8(String(decoding: digits[$0...$0 + 1], as: UTF8.self), radix: 16)!
        }
    }

    private static func vectors() throws -> [Vector] {
        let file = try #require(
            Bundle.module.url(
                forResource: "scapy-ah",
                withExtension: "txt",
                subdirectory: "Vectors"
            )
        )
        return try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map { line in
            let fields = line.split(separator: " ")
            let data = fields[2...].map(bytes)
            return Vector(
                carriage: fields[0] == "transport" ? .ahTransport : .ahTunnel,
                integrity: try #require(words[String(fields[1])]),
                key: data[0],
                spi: SPI(rawValue: data[1].reduce(0) { $0 << 8 | UInt32($1) }),
                number: data[2].reduce(0) { $0 << 8 | UInt64($1) },
                isExtended: data[3] == [1],
                plain: data[4],
                authenticated: data[5]
            )
        }
    }

    private func transform(
        _ vector: Vector,
        _ direction: PacketCipher.Direction
    ) throws -> PacketTransform {
        .authenticator(
            try PacketAuthenticator(
                integrity: vector.integrity,
                key: SecretBytes(vector.key),
                isExtendedSequence: vector.isExtended,
                direction: direction
            )
        )
    }

    @Test func scapysPacketsAreVerifiedAndMade() throws {
        let vectors = try Self.vectors()
        #expect(vectors.count == 198)
        for vector in vectors {
            let tunnel = TestTunnel(
                encapsulation: .esp,
                outer: vector.outer,
                carriage: vector.carriage
            )
            let far = TestGateway()
            var receiving = try tunnel.inbound()
            receiving.spi = vector.spi
            receiving.transform = try transform(vector, .open)
            receiving.isExtendedSequence = vector.isExtended
            receiving.initialSequence = vector.isExtended ? vector.number - 5 : 0
            far.apply(.installInbound(receiving))
            let run = SentRun(
                datagrams: [vector.authenticated],
                segmentSize: vector.authenticated.count,
                trafficClass: 0,
                dontFragment: true,
                path: tunnel.path,
                hasHeader: true
            )
            #expect(far.receive([run]) == [TestPackets.plain(vector.plain)])
            #expect(far.receive([run]) == [])
            #expect(far.inboundDrops(.replayed) == 1)

            let near = TestGateway()
            near.apply(TestTunnel.everything)
            var sending = try tunnel.outbound()
            sending.spi = vector.spi
            sending.transform = try transform(vector, .seal)
            sending.isExtendedSequence = vector.isExtended
            sending.initialSequence = vector.number - 1
            near.apply(.installOutbound(sending))
            let sent = near.send([TestPackets.plain(vector.plain)])
            #expect(sent.map(\.datagrams) == [[vector.authenticated]])
            #expect(sent.map(\.hasHeader) == [true])
        }
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var carriage: PacketCarriage
        var version: IPVersion
        var isExtended: Bool
        var testDescription: String {
            "\(carriage) over IP\(version)\(isExtended ? ", extended" : "")"
        }

        static let all: [Case] = [PacketCarriage.ahTunnel, .ahTransport].flatMap { carriage in
            [IPVersion.v4, .v6].flatMap { version in
                [false, true].map {
                    Case(carriage: carriage, version: version, isExtended: $0)
                }
            }
        }

        func tunnel(_ integrity: IntegrityAlgorithm = .hmacSHA256_128) -> TestTunnel {
            TestTunnel(
                encapsulation: .esp,
                outer: version,
                isExtendedSequence: isExtended,
                carriage: carriage,
                integrity: integrity
            )
        }

        func hosts(_ tunnel: TestTunnel) -> (Endpoint, Endpoint) {
            carriage.isTransport ? tunnel.ends : TestHosts.pair(version)
        }
    }

    @Test(arguments: Case.all, algorithms)
    func everyPacketComesOutAsItWentIn(of: Case, integrity: IntegrityAlgorithm) throws {
        let tunnel = of.tunnel(integrity)
        let (near, far) = try tunnel.gateways()
        let (source, destination) = of.hosts(tunnel)
        let packets = [0, 1, 3, 64, 511, 1300].map {
            TestPackets.udp(
                from: source,
                to: destination,
                payload: pattern($0),
                trafficClass: 0xb8
            )
        }
        let runs = near.send(packets.map(TestPackets.plain))
        #expect(far.receive(runs) == packets.map(TestPackets.plain))
        #expect(
            far.inbound.snapshot().associations[0].octets
                == near.outbound.snapshot().associations[0].octets
        )
    }

    @Test(arguments: Case.all)
    func aSuperpacketIsCutToWhatFits(of: Case) throws {
        let tunnel = of.tunnel()
        let (near, far) = try tunnel.gateways()
        let (source, destination) = of.hosts(tunnel)
        let payload = pattern(1300 * 20 + 5)
        let runs = near.send([
            TestPackets.tso(from: source, to: destination, payload: payload, segmentPayload: 1300)
        ])
        #expect(runs.flatMap(\.datagrams).count == 21)
        #expect(runs.flatMap(\.datagrams).allSatisfy { $0.count <= 1500 })
        let frames = far.receive(runs)
        #expect(frames.count == 1)
        #expect(frames.first.map { Array($0.suffix(payload.count)) } == payload)
    }

    /// RFC 4302 §3.3.3.1: what routers may change is not covered, and everything else is.
    @Test(arguments: Case.all)
    func onlyWhatMayChangeOnTheWayMayChange(of: Case) throws {
        let tunnel = of.tunnel()
        let (near, far) = try tunnel.gateways()
        let (source, destination) = of.hosts(tunnel)
        let packet = TestPackets.udp(from: source, to: destination, payload: pattern(40))
        let runs = near.send([TestPackets.plain(packet)])
        let datagram = runs[0].datagrams[0]
        func receive(_ bytes: [UInt8]) -> [[UInt8]] {
            var run = runs[0]
            run.datagrams = [bytes]
            return far.receive([run])
        }
        for count in 1..<datagram.count { #expect(receive(Array(datagram[..<count])) == []) }
        let mutable: Set<Int> = of.version == .v4 ? [1, 6, 7, 8, 10, 11] : [1, 2, 3, 7]
        for index in datagram.indices where !mutable.contains(index) {
            var changed = datagram
            changed[index] ^= 0x80
            #expect(receive(changed) == [], "octet \(index)")
        }
        var changed = datagram
        // Flags and offset may change too, but not to those of a fragment.
        for index in mutable where index != 6 && (index != 7 || of.version == .v6) {
            changed[index] ^= 0x04
        }
        if of.version == .v4 { changed[6] ^= 0x40 }
        #expect(receive(changed).count == 1)
    }

    @Test(arguments: [IPVersion.v4, .v6])
    func whatIsLargerThanTheLinkIsCutAfterAH(version: IPVersion) throws {
        let of = Case(carriage: .ahTransport, version: version, isExtended: false)
        let tunnel = of.tunnel()
        let (near, far) = try tunnel.gateways()
        let (source, destination) = tunnel.ends
        let whole = TestPackets.udp(
            from: source,
            to: destination,
            payload: pattern(5000),
            dontFragment: false
        )
        let runs = near.send(
            TestPackets.fragments(of: whole, octets: 1400).map(TestPackets.plain)
        )
        #expect(runs.map(\.dontFragment) == [false])
        var datagram = try #require(runs.first?.datagrams.first)
        var parts: [[UInt8]] = []
        unsafe datagram.withUnsafeMutableBytes { bytes in
            guard
                var fragments = unsafe OuterFragments(
                    bytes.baseAddress!,
                    length: bytes.count,
                    linkMTU: 1500
                )
            else { return }
            let area = UnsafeMutableRawBufferPointer.allocate(byteCount: 1500, alignment: 16)
            defer { unsafe area.deallocate() }
            while let count = unsafe fragments.next(to: area.baseAddress!) {
                unsafe parts.append(Array(area[..<count]))
            }
        }
        #expect(parts.count == 4 && parts.allSatisfy { $0.count <= 1500 })
        // They are what the reference cutter makes, but for the identification.
        let expected = TestPackets.fragments(
            of: datagram,
            octets: version == .v4 ? 1480 : 1448
        )
        let start = version == .v4 ? 20 : 48
        #expect(parts.map { $0[start...] } == expected.map { $0[start...] })
        #expect(far.receive(runs).map { $0.suffix(5008) } == [whole.suffix(5008)])
    }

    @Test func anSAOfAHTakesNoESPAndOneOfESPNoAH() throws {
        let of = Case(carriage: .ahTunnel, version: .v4, isExtended: false)
        let (near, far) = try of.tunnel().gateways()
        let frame = TestPackets.plain(
            TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: pattern(40))
        )
        var runs = near.send([frame])
        runs[0].hasHeader = false
        runs[0].datagrams = [Array(runs[0].datagrams[0].dropFirst(24)) + [0, 0, 0, 0]]
        #expect(far.receive(runs) == [])
        #expect(far.inboundDrops(.unknownSPI) == 1)
        let (sender, receiver) = try TestTunnel(encapsulation: .esp).gateways()
        let esp = sender.send([frame])[0]
        let spi = Array(esp.datagrams[0][..<8])
        let path = TestTunnel().path
        let forged = TestPackets.ip(
            from: path.local.address,
            to: path.remote.address,
            ipProtocol: 51,
            payload: [4, 5, 0, 0] + spi + pattern(16) + esp.datagrams[0]
        )
        var run = esp
        run.hasHeader = true
        run.datagrams = [forged]
        #expect(receiver.receive([run]) == [])
        #expect(receiver.inboundDrops(.unknownSPI) == 1)
    }

    /// RFC 4302 §3.3.3.2.1: AH is padded to eight octets over IPv6, to four over IPv4.
    @Test func aMoveToIPv6PadsAHAnew() throws {
        let (near, far) = try Case(carriage: .ahTunnel, version: .v4, isExtended: false).tunnel()
            .gateways()
        let frame = TestPackets.plain(
            TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: pattern(40))
        )
        let before = near.send([frame])
        #expect(before[0].datagrams[0][21] == 28 / 4 - 2)
        #expect(far.receive(before) == [frame])
        let path = TestTunnel(encapsulation: .esp, outer: .v6).path
        near.apply(.updatePath(SAIdentifier(rawValue: 1), path))
        let after = near.send([frame])
        #expect(after[0].datagrams[0][41] == 32 / 4 - 2)
        #expect(far.receive(after) == [frame])
    }

    /// RFC 4302 §3.4.1: what appears to be a fragment must be discarded. The ICV covers neither its
    /// flags nor its offset.
    @Test func fragmentsAreRefusedAlthoughAuthentic() throws {
        for (carriage, field) in [(PacketCarriage.ahTransport, 0x2000), (.ahTunnel, 185)] {
            let of = Case(carriage: carriage, version: .v4, isExtended: false)
            let tunnel = of.tunnel()
            let (near, far) = try tunnel.gateways()
            let (source, destination) = of.hosts(tunnel)
            let frame = TestPackets.plain(
                TestPackets.udp(from: source, to: destination, payload: pattern(40))
            )
            var runs = near.send([frame])
            let whole = runs[0].datagrams[0]
            runs[0].datagrams[0].replaceSubrange(6..<8, with: TestPackets.bytes16(field))
            #expect(far.receive(runs) == [])
            #expect(far.inboundDrops(.malformedAH) == 1)
            runs[0].datagrams[0] = whole
            #expect(far.receive(runs).count == 1)
        }
    }

    /// RFC 4301 §4.4.1.1: policy treats AH as a next layer protocol, over either IP version, and
    /// does not look behind it.
    @Test func policyDoesNotLookBehindAHInside() throws {
        for version in [IPVersion.v4, .v6] {
            let (source, destination) = TestHosts.pair(version)
            var tunnel = TestTunnel()
            let everything = TrafficSelector.everything(version)
            tunnel.selectors = [UInt8(51), 17].map { number in
                let selector = TrafficSelector(
                    first: everything.first,
                    last: everything.last,
                    ipProtocol: number
                )!
                return SelectorPair(local: selector, remote: selector)
            }
            let udp = TestPackets.udp(from: source, to: destination, payload: pattern(40))
            let header = version == .v4 ? 20 : 40
            let packet = TestPackets.ip(
                from: source.address,
                to: destination.address,
                ipProtocol: 51,
                payload: [17, 4] + pattern(22) + udp[header...]
            )
            for (index, isCarried) in [true, false].enumerated() {
                let pairs = [tunnel.selectors[index]]
                let near = TestGateway()
                near.apply(
                    .replacePolicies([
                        PolicyEntry(
                            identifier: TestTunnel.policy,
                            action: .protect,
                            selectors: pairs
                        )
                    ])
                )
                var sending = try tunnel.outbound()
                sending.selectors = pairs
                near.apply(.installOutbound(sending))
                #expect(near.send([TestPackets.plain(packet)]).isEmpty != isCarried)
            }
        }
    }

    /// A packet whose header AH cannot cover: nothing leaves in its place, and others do.
    @Test func whatCannotBeSealedLeavesNoRun() throws {
        let tunnel = TestTunnel(encapsulation: .esp, carriage: .ahTransport)
        let (near, far) = try tunnel.gateways()
        let (source, destination) = tunnel.ends
        // A record route that ends before it begins.
        let bad = TestPackets.udp(
            from: source,
            to: destination,
            payload: pattern(40),
            options: [7, 0, 0, 0]
        )
        let good = TestPackets.udp(
            from: source,
            to: destination,
            payload: pattern(40),
            trafficClass: 8
        )
        #expect(near.send([TestPackets.plain(bad)]) == [])
        #expect(near.outboundDrops(.sealFailed) == 1)
        let runs = near.send([good, bad, good].map(TestPackets.plain))
        #expect(runs.map(\.datagrams.count) == [1, 1])
        #expect(near.outboundDrops(.sealFailed) == 2)
        #expect(far.receive(runs).count == 2)
    }

    @Test func hostileHeadersAreRefused() throws {
        let of = Case(carriage: .ahTransport, version: .v6, isExtended: false)
        let (_, far) = try of.tunnel().gateways()
        let run = SentRun(
            datagrams: [],
            segmentSize: 0,
            trafficClass: 0,
            dontFragment: true,
            path: of.tunnel().path,
            hasHeader: true
        )
        var random = SeededRandomSource(seed: 9)
        for round in 0..<20_000 {
            var packet = random.bytes(1 + Int(random.next32() % 200))
            packet[0] = round % 2 == 0 ? 0x60 | packet[0] & 15 : 0x40 | packet[0] & 15
            if packet.count > 20, round % 2 == 1 {
                packet[9] = 51
                packet.replaceSubrange(2..<4, with: TestPackets.bytes16(packet.count))
            } else if packet.count > 48 {
                packet[6] = [0, 43, 51, 60][Int(random.next32() % 4)]
                packet.replaceSubrange(4..<6, with: TestPackets.bytes16(packet.count - 40))
            }
            var one = run
            one.datagrams = [packet]
            #expect(far.receive([one]) == [])
        }
        #expect(far.inbound.snapshot().drops.reduce(0, +) == 20_000)
    }
}
