internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

@Suite("ESP along a TCP connection (RFC 9329)")
struct StreamTests {
    private func frames(_ octets: [UInt8]) -> ([StreamFrames.Frame], rest: Int) {
        var octets = octets
        return unsafe octets.withUnsafeMutableBytes { area in
            var reader = unsafe StreamFrames(area.baseAddress!, count: area.count)
            var found: [StreamFrames.Frame] = []
            while true {
                let frame = reader.next()
                if frame == .incomplete { break }
                found.append(frame)
                if frame == .fault { break }
            }
            return (found, area.count - reader.offset)
        }
    }

    private func framed(_ content: [UInt8]) -> [UInt8] {
        [UInt8((content.count + 2) >> 8), UInt8((content.count + 2) & 255)] + content
    }

    @Test func messagesPacketsAndKeepalivesAreToldApart() {
        let packet = [UInt8](repeating: 7, count: 60)
        let octets =
            framed(packet) + [0, 2, 0, 2] + framed([0xff]) + framed([0, 0, 0, 0, 1, 2, 3])
            + framed(packet).dropLast()
        let (found, rest) = frames(octets)
        #expect(
            found == [
                .packet(offset: 2, count: 60), .keepalive, .message(offset: 75, count: 3),
            ]
        )
        #expect(rest == 61)
    }

    @Test(
        "what cannot be is a fault, and nothing behind it is looked at",
        arguments: [
            [0, 0], [0, 1], [0, 3, 1], [0, 4, 1, 2], [0, 6, 0, 0, 0, 0], [0, 6, 1, 2, 3, 4],
        ] as [[UInt8]]
    )
    func faults(octets: [UInt8]) {
        #expect(frames(octets + [0, 3, 0xff]).0 == [.fault])
    }

    @Test func anyOctetsAreReadWithinTheirBounds() {
        var random = SeededRandomSource(seed: 9329)
        for _ in 0..<3000 {
            var octets = random.bytes(1 + Int(random.bytes(1)[0]))
            // Small lengths, so that more than one frame is found.
            for place in stride(from: 0, to: octets.count, by: 7) { octets[place] = 0 }
            let (found, rest) = frames(octets)
            var end = 0
            for frame in found {
                switch frame {
                case .packet(let offset, let count), .message(let offset, let count):
                    #expect(offset >= end + 2 && count > 0 && offset + count <= octets.count)
                    end = offset + count
                case .keepalive, .incomplete, .fault: break
                }
            }
            #expect(rest >= 0 && rest <= octets.count)
        }
    }

    @Test(arguments: [IPVersion.v4, .v6], [PacketCarriage.espTunnel, .espTransport])
    func everyPacketComesOutAsItWentIn(outer: IPVersion, carriage: PacketCarriage) throws {
        let tunnel = TestTunnel(encapsulation: .tcp, outer: outer, carriage: carriage)
        let (near, far) = try tunnel.gateways()
        let (source, destination) = tunnel.ends
        let packets = [0, 1, 64, 1000].map { count in
            let packet = TestPackets.udp(
                from: source,
                to: destination,
                payload: [UInt8](repeating: 5, count: count)
            )
            return outer == .v4 ? TestPackets.identified(packet, 0) : packet
        }
        let runs = near.send(packets.map(TestPackets.plain))
        #expect(runs.allSatisfy { $0.path.encapsulation == .tcp && !$0.hasHeader })
        #expect(far.receive(runs) == packets.map(TestPackets.plain))
    }

    @Test func whereItCameFromIsNothingToFollowOrToComplainOf() throws {
        let tunnel = TestTunnel(encapsulation: .udp)
        let (near, far) = try tunnel.gateways()
        var runs = near.send([TestPackets.plain(packet(tunnel))])
        for index in runs.indices {
            runs[index].path.encapsulation = .tcp
            runs[index].path.local.port = 50_123
        }
        #expect(far.receive(runs).count == 1)
        runs[0].datagrams[0][0] ^= 0x40
        #expect(far.receive(runs).isEmpty)
        #expect(far.inboundDrops(.unknownSPI) == 1)
        let told = far.inbound.takeEvents().filter { event in
            switch event {
            case .peerEndpointChanged, .unknownSPI: true
            default: false
            }
        }
        #expect(told.isEmpty)
    }

    @Test func strangePacketsAreCounted() throws {
        let tunnel = TestTunnel(encapsulation: .tcp)
        let (near, far) = try tunnel.gateways()
        let runs = near.send([TestPackets.plain(packet(tunnel))])
        #expect(far.receive(runs).count == 1 && far.inbound.strangePackets == 0)
        // What came before is old, not strange.
        #expect(far.receive(runs).isEmpty && far.inbound.strangePackets == 0)
        var forged = near.send([TestPackets.plain(packet(tunnel))])
        forged[0].datagrams[0][20] ^= 1
        #expect(far.receive(forged).isEmpty && far.inbound.strangePackets == 1)
        forged[0].datagrams[0] = [1, 2, 3, 4, 5]
        #expect(far.receive(forged).isEmpty && far.inbound.strangePackets == 2)
    }

    private func packet(_ tunnel: TestTunnel) -> [UInt8] {
        let (source, destination) = tunnel.ends
        return TestPackets.udp(from: source, to: destination, payload: [1, 2, 3])
    }
}
