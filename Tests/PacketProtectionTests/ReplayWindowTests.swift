internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

@Suite struct ReplayWindowTests {
    /// The window as RFC 4303 §3.4.3 words it.
    private struct NaiveWindow {
        let size: UInt64
        var highest: UInt64 = 0
        var seen: Set<UInt64> = []

        mutating func accept(_ number: UInt64) -> Bool {
            guard number > 0, number + size > highest, !seen.contains(number) else { return false }
            seen.insert(number)
            highest = max(highest, number)
            return true
        }
    }

    @Test(arguments: [32, 33, 63, 64, 65, 128, 1000, 1024, 4096, 65536])
    func agreesWithASet(size: Int) {
        for seed in 0..<4 {
            var random = SeededRandomSource(seed: UInt64(size * 10 + seed))
            var window = ReplayWindow(size: size)
            defer { window.deallocate() }
            var naive = NaiveWindow(size: UInt64(size))
            for _ in 0..<4000 {
                let jump = random.next32() % 64 == 0 ? UInt64(size) * 4 : UInt64(size) + 8
                let back = random.next64() % (UInt64(size) + 70)
                let number =
                    (naive.highest + random.next64() % (jump / 2)) &- min(back, naive.highest)
                let mayAccept = window.mayAccept(number)
                let isAccepted = naive.accept(number)
                #expect(mayAccept == isAccepted)
                #expect(window.accept(number) == isAccepted)
                #expect(window.highest == naive.highest)
            }
        }
    }

    @Test(arguments: [32, 1024, 65536])
    func infersTheHighHalf(size: Int) {
        let tops: [UInt64] = [
            0, 1, 31, 1000, 0x7fff_ffff, 0xffff_fff0, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0010,
            0x1_0001_0000,
            0x5_ffff_ffff, 0x6_0000_0003, 0x6_8000_0000,
        ]
        for top in tops {
            let window = ReplayWindow(size: size, highest: top)
            defer { window.deallocate() }
            // Every number within the window, and as far ahead as is unambiguous.
            let bottom = top >= UInt64(size) ? top - UInt64(size) + 1 : 0
            let offsets: [UInt64] = [0, 1, 2, 15, 31, 500, 1023, 65_535].filter {
                bottom + $0 <= top
            }
            let numbers =
                offsets.map { bottom + $0 } + [1, 2, 40_000, 0x7fff_0000].map { top + $0 }
            for number in numbers {
                #expect(window.inferred(low: UInt32(truncatingIfNeeded: number)) == number)
            }
        }
    }

    @Test func nothingBeforeTheFirstIsInferred() {
        let window = ReplayWindow(size: 64)
        defer { window.deallocate() }
        #expect(window.inferred(low: .max) == nil)
        #expect(!window.mayAccept(0))
    }

    @Test func aWindowMadeLateTakesWhatWasBeforeAsSeen() {
        var window = ReplayWindow(size: 64, highest: 1000)
        defer { window.deallocate() }
        for number in UInt64(900)...1000 { #expect(!window.mayAccept(number)) }
        for number in UInt64(1001)...1100 {
            #expect(window.accept(number) && !window.accept(number))
        }
    }

    @Test(arguments: TestSuites.all)
    func aPacketIsTakenOnce(suite: CipherSuite) throws {
        let (near, far) = try TestTunnel(suite: suite).gateways()
        let frame = TestPackets.plain(
            TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: pattern(50))
        )
        let runs = near.send([frame, frame, frame])
        // Twice in one batch, and again in another.
        #expect(far.receive(runs + runs).count == 3)
        #expect(far.receive(runs) == [])
        #expect(far.inboundDrops(.replayed) == 6)
        #expect(far.inbound.snapshot().associations[0].replayDrops == 6)
    }

    @Test func packetsOutOfOrderAreTakenAndOldOnesAreNot() throws {
        let (near, far) = try TestTunnel().gateways(inbound: { $0.replayWindow = 64 })
        let frame = TestPackets.plain(
            TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: pattern(50))
        )
        let runs = (0..<100).flatMap { _ in near.send([frame]) }
        #expect(far.receive([runs[99]]).count == 1)
        #expect(far.receive(Array(runs[36..<99].reversed())).count == 63)
        #expect(far.receive(Array(runs[0..<36])) == [])
        #expect(far.inboundDrops(.replayed) == 36)
    }

    @Test func aForgeryDoesNotMoveTheWindow() throws {
        let (near, far) = try TestTunnel().gateways()
        let frame = TestPackets.plain(
            TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: pattern(50))
        )
        let genuine = near.send([frame])
        var forged = genuine
        forged[0].datagrams[0].replaceSubrange(4..<8, with: [0x7f, 0xff, 0xff, 0xff])
        #expect(far.receive(forged) == [])
        #expect(far.inboundDrops(.authenticationFailed) == 1)
        #expect(far.receive(genuine) == [frame])
    }

    @Test(arguments: TestSuites.all)
    func extendedNumbersRollOver(suite: CipherSuite) throws {
        for start: UInt64 in [0xffff_fff0, 0x3_ffff_fff0] {
            let (near, far) = try TestTunnel(suite: suite, isExtendedSequence: true).gateways(
                outbound: { $0.initialSequence = start },
                inbound: { $0.initialSequence = start }
            )
            let frame = TestPackets.plain(
                TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: pattern(50))
            )
            let runs = (0..<40).flatMap { _ in near.send([frame]) }
            #expect(far.receive(Array(runs[20...])).count == 20)
            #expect(far.receive(Array(runs[..<20])).count == 20)
            #expect(far.inbound.snapshot().associations[0].sequence == start + 40)
        }
    }
}
