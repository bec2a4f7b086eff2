internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

/// SAs whose sequence numbers nobody holds against a window (RFC 4303 §3.3.3, §3.4.3).
@Suite struct ManualKeyTests {
    private let frame = TestPackets.plain(
        TestPackets.udp(from: TestHosts.nearV4, to: TestHosts.farV4, payload: pattern(34))
    )

    private func frames(_ count: Int) -> [[UInt8]] { Array(repeating: frame, count: count) }

    private func numbers(_ runs: [SentRun]) -> [UInt32] {
        runs.flatMap(\.datagrams).map { $0[4..<8].reduce(0) { $0 << 8 | UInt32($1) } }
    }

    @Test func numbersBeginAgainFromZero() throws {
        let (near, far) = try TestTunnel().gateways(
            outbound: {
                $0.initialSequence = 0xffff_fffd
                $0.numbersCycle = true
            },
            inbound: { $0.refusesReplays = false }
        )
        let runs = near.send(frames(5))
        #expect(numbers(runs) == [0xffff_fffe, 0xffff_ffff, 0, 1, 2])
        #expect(far.receive(runs).count == 5)
        #expect(near.outbound.snapshot().associations[0].sequence == 2)
        #expect(near.outbound.takeEvents() == [])
    }

    @Test func whatWasSeenIsTakenAgain() throws {
        let (near, far) = try TestTunnel().gateways(inbound: { $0.refusesReplays = false })
        let runs = near.send(frames(3))
        #expect(far.receive(runs).count == 3)
        #expect(far.receive(runs).count == 3)
        let snapshot = far.inbound.snapshot().associations[0]
        #expect(snapshot.packets == 6 && snapshot.replayDrops == 0 && snapshot.sequence == 3)
    }

    @Test func forgeriesAreRefusedAllTheSame() throws {
        let (near, far) = try TestTunnel().gateways(inbound: { $0.refusesReplays = false })
        var runs = near.send(frames(1))
        runs[0].datagrams[0][20] ^= 1
        #expect(far.receive(runs).isEmpty)
        #expect(far.inboundDrops(.authenticationFailed) == 1)
    }

    @Test func theWindowThatIsNone() {
        var window = ReplayWindow.open
        defer { window.deallocate() }
        for number in [7, 7, 0, UInt64(UInt32.max), 1] {
            #expect(window.mayAccept(number) && window.accept(number))
            #expect(window.highest == number)
        }
    }
}
