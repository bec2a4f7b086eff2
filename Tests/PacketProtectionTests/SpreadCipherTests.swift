internal import Foundation
internal import IPsecCrypto
internal import IPsecPrimitives
internal import Synchronization
internal import Testing

@testable import PacketProtection

/// Threads that work at a desk until the object goes.
private final class Helpers {
    let desk: CipherDesk
    private let isEnding: Flag
    private let ended = DispatchGroup()

    private final class Flag: Sendable {
        let value = Atomic<Bool>(false)
    }

    init(_ count: Int) {
        desk = CipherDesk(helpers: count, wake: {}, giveWay: { Thread.sleep(forTimeInterval: 0) })
        isEnding = Flag()
        for thread in 1...count {
            let (desk, isEnding, ended) = (desk, isEnding, ended)
            ended.enter()
            Thread.detachNewThread {
                while !isEnding.value.load(ordering: .acquiring) {
                    if !desk.help(thread: thread) { CipherDesk.pause() }
                }
                ended.leave()
            }
        }
    }

    deinit {
        isEnding.value.store(true, ordering: .releasing)
        ended.wait()
    }

    var passages: WorkerPassages { WorkerPassages(place: .alone, rings: [nil], desk: desk) }
}

@Suite("The packets of one SA, sealed and opened by several threads")
struct SpreadCipherTests {
    /// Batches of one SA, of all lengths, each packet another.
    private static func frames(_ count: Int, batch: Int) -> [[UInt8]] {
        (0..<count).map { index in
            TestPackets.plain(
                TestPackets.udp(
                    from: TestHosts.nearV4,
                    to: TestHosts.farV4,
                    payload: pattern(1 + (batch * 131 + index * 37) % 1300, seed: UInt64(index))
                )
            )
        }
    }

    private static func gateways(
        _ tunnel: TestTunnel,
        _ passages: WorkerPassages = .alone
    ) throws -> (TestGateway, TestGateway) {
        var configuration = PacketPathConfiguration()
        configuration.coalescesTCP = false
        let near = TestGateway(configuration, passages: passages)
        let far = TestGateway(configuration, passages: passages)
        near.apply(TestTunnel.everything)
        near.apply(.installOutbound(try tunnel.outbound()))
        far.apply(.installInbound(try tunnel.inbound()))
        return (near, far)
    }

    /// What leaves is to the bit what one thread makes, in the same order, and what arrives as well.
    @Test(arguments: TestSuites.all, PacketCipherBackEnd.available)
    func asByOneThread(suite: CipherSuite, backEnd: PacketCipherBackEnd) throws {
        let helpers = Helpers(2)
        var tunnel = TestTunnel()
        tunnel.suite = suite
        tunnel.backEnd = backEnd
        let (plainNear, plainFar) = try Self.gateways(tunnel)
        tunnel.helpers = 2
        let (near, far) = try Self.gateways(tunnel, helpers.passages)
        for batch in 0..<60 {
            // Less than a share, a share, and what leaves a rest.
            let frames = Self.frames([1, 16, 17, 40, 64, 120][batch % 6], batch: batch)
            let runs = near.send(frames)
            #expect(runs == plainNear.send(frames))
            let arrived = far.receive(runs)
            #expect(arrived.count == frames.count)
            #expect(arrived == plainFar.receive(runs))
        }
        let sent = near.outbound.snapshot().associations.first?.packets
        #expect(sent == far.inbound.snapshot().associations.first?.packets)
    }

    /// The others get something to do, and each packet is worked on once.
    @Test func othersHelp() throws {
        let helpers = Helpers(2)
        var tunnel = TestTunnel()
        tunnel.suite = TestSuites.cbc
        tunnel.helpers = 2
        let (near, far) = try Self.gateways(tunnel, helpers.passages)
        var sent = 0
        while helpers.desk.packetsHelped < 1000, sent < 200_000 {
            let frames = Self.frames(120, batch: sent)
            sent += frames.count
            #expect(far.receive(near.send(frames)).count == frames.count)
        }
        #expect(helpers.desk.packetsHelped >= 1000, "of \(sent) packets")
        #expect(far.inboundDrops(.authenticationFailed) == 0)
    }

    /// A thread that never comes leaves the work to the worker.
    @Test func nobodyHelps() throws {
        let desk = CipherDesk(helpers: 3, wake: {}, giveWay: {})
        var tunnel = TestTunnel()
        tunnel.helpers = 3
        let passages = WorkerPassages(place: .alone, rings: [nil], desk: desk)
        let (near, far) = try Self.gateways(tunnel, passages)
        let frames = Self.frames(100, batch: 0)
        #expect(far.receive(near.send(frames)).count == 100)
        #expect(desk.packetsHelped == 0)
    }

    /// An SA that was made for threads which are not there.
    @Test func noDesk() throws {
        var tunnel = TestTunnel()
        tunnel.helpers = 1
        let (near, far) = try Self.gateways(tunnel)
        #expect(far.receive(near.send(Self.frames(100, batch: 0))).count == 100)
    }

    /// An SA that was made for fewer threads than there are.
    @Test func moreThreadsThanCiphers() throws {
        let helpers = Helpers(3)
        var tunnel = TestTunnel()
        tunnel.helpers = 1
        let (near, far) = try Self.gateways(tunnel, helpers.passages)
        for batch in 0..<50 {
            #expect(far.receive(near.send(Self.frames(100, batch: batch))).count == 100)
        }
        #expect(helpers.desk.packetsHelped == 0)
    }

    /// Forgeries and copies among many are dropped one by one, and what is around them arrives in order.
    @Test func forgeriesAmongMany() throws {
        let helpers = Helpers(2)
        var tunnel = TestTunnel()
        tunnel.helpers = 2
        let (near, far) = try Self.gateways(tunnel, helpers.passages)
        let frames = Self.frames(120, batch: 3)
        var runs = near.send(frames)
        var count = 0
        for run in runs.indices {
            for index in runs[run].datagrams.indices {
                count += 1
                if count % 9 == 0 {
                    runs[run].datagrams[index][runs[run].datagrams[index].count - 1] ^= 1
                }
            }
        }
        #expect(count == 120)
        let arrived = far.receive(runs + runs.suffix(1))
        let expected = frames.enumerated().filter { ($0.offset + 1) % 9 != 0 }.map(\.element)
        #expect(arrived.map { $0.suffix(100) } == expected.map { $0.suffix(100) })
        #expect(far.inboundDrops(.authenticationFailed) >= 13)
    }
}
