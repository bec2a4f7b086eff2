internal import IPsecCrypto
internal import IPsecPrimitives
internal import LinuxIO
internal import NamespaceTesting
internal import PacketProtection
internal import Testing

@testable internal import DataPlane

/// The second of two workers, whose turns a test chooses or leaves to a thread.
@Suite("A worker's rounds", .enabled(if: NetworkNamespace.isAvailable), .serialized)
struct WorkerTests {
    /// What lies in a namespace of its own.
    private struct Surroundings: Sendable {
        var configuration: DataPlaneConfiguration
        /// 127.0.0.2 and 127.0.0.3, port 4501.
        var peers: [UDPSocket]
    }

    /// A worker that has the SAs of policies with odd numbers.
    private final class Site {
        let namespace: NetworkNamespace
        let surroundings: Surroundings
        let channels: [WorkerChannel]
        let exchange: WorkerExchange

        init() throws {
            namespace = try NetworkNamespace("worker")
            surroundings = try namespace.perform {
                let device = try TUNDevice(name: "cygnet0", queues: 2)
                let peers = try ["127.0.0.2", "127.0.0.3"].map {
                    try UDPSocket(
                        bindingTo: Endpoint(address: IPAddress($0)!, port: 4501)
                    )
                }
                let own = try UDPSocket(
                    bindingTo: Endpoint(address: .unspecified(.v4), port: 4500),
                    options: .init(isForPackets: true)
                )
                return Surroundings(
                    configuration: DataPlaneConfiguration(device: device, udpSockets: [own]),
                    peers: peers
                )
            }
            let wakeUp = try EventDescriptor()
            channels = [
                try WorkerChannel(eventWakeUp: wakeUp), try WorkerChannel(eventWakeUp: wakeUp),
            ]
            exchange = WorkerExchange(channels)
        }

        var setup: WorkerSetup {
            WorkerSetup(
                configuration: surroundings.configuration,
                commands: channels[1].commands,
                events: channels[1].events,
                counters: channels[1].counters,
                place: WorkerPlace(index: 1, of: 2),
                exchange: exchange
            )
        }

        func post(_ command: PacketPathCommand) { channels[1].post(.packetPath(command)) }

        /// As the first worker does.
        func give(_ bytes: [UInt8], _ kind: HandOverRing.Kind) {
            let ring = exchange.rings(from: 0)[1]!
            let isTaken = unsafe bytes.withUnsafeBytes {
                unsafe ring.put(
                    $0.baseAddress!,
                    byteCount: $0.count,
                    HandOverRing.Record(kind: kind)
                )
            }
            #expect(isTaken)
        }

        func protect() {
            post(
                .replacePolicies([
                    PolicyEntry(
                        identifier: PolicyIdentifier(rawValue: 1),
                        action: .protect,
                        selectors: selectors
                    )
                ])
            )
        }

        private var selectors: [SelectorPair] {
            SelectorPair.pairs(local: [.everything(.v4)], remote: [.everything(.v4)])
        }

        func outbound(_ number: UInt32, to peer: String) throws -> OutboundSAParameters {
            OutboundSAParameters(
                identifier: SAIdentifier(rawValue: number),
                policy: PolicyIdentifier(rawValue: 1),
                spi: SPI(rawValue: 0x1000 + number),
                selectors: selectors,
                path: OuterPath(
                    encapsulation: .udp,
                    local: Endpoint(address: IPAddress("127.0.0.1")!, port: 4500),
                    remote: Endpoint(address: IPAddress(peer)!, port: 4501)
                ),
                cipher: try TestGateway.cipher(.seal, sender: 1),
                isExtendedSequence: true
            )
        }
    }

    /// A virtio_net_hdr and an IPv4 packet of a protocol without ports.
    private static let frame: [UInt8] =
        [UInt8](repeating: 0, count: 10)
        + [0x45, 0, 0, 24, 0, 1, 0, 0, 64, 253, 0, 0, 10, 1, 0, 1, 10, 2, 0, 1, 1, 2, 3, 4]

    /// An SA goes and another gets its place while packets of the first are in the batch.
    @Test func whatIsInTheBatchGoesWhereItWasToGo() throws {
        let site = try Site()
        let setup = site.setup
        var worker = Worker(setup, poll: try SourcePoll(setup))
        site.protect()
        site.post(.installOutbound(try site.outbound(1, to: "127.0.0.2")))
        worker.carryOutCommands(at: BootClock.now())
        site.give(WorkerTests.frame, .frame)
        // What may be for an SA that the worker was told of since.
        site.give([UInt8](repeating: 1, count: 64), .datagram)
        site.post(.removeSA(SAIdentifier(rawValue: 1)))
        site.post(.installOutbound(try site.outbound(2, to: "127.0.0.3")))
        worker.takeArrivals(at: BootClock.now())
        let received = site.surroundings.peers.map { $0.receive()?.bytes.prefix(4) }
        #expect(received == [[0, 0, 0x10, 1], nil])
        site.give(WorkerTests.frame, .frame)
        worker.takeArrivals(at: BootClock.now())
        let next = site.surroundings.peers.map { $0.receive()?.bytes.prefix(4) }
        #expect(next == [nil, [0, 0, 0x10, 2]])
    }

    /// Control is slow, and its mailbox full: what is told once waits for room.
    @Test func whatControlHasNoRoomForIsToldLater() throws {
        let site = try Site()
        let events = site.channels[1].events
        while events.send(.deviceLost(.shared)) {}
        try site.channels[1].start(site.setup)
        defer { site.channels[1].stop() }
        site.protect()
        site.give(WorkerTests.frame, .frame)
        site.exchange.wake(1 << 1)
        try Retry.pause(milliseconds: 300)
        func told() -> [PolicyIdentifier] {
            var result: [PolicyIdentifier] = []
            while let event = events.receive() {
                if case .packetPath(.acquire(let policy, _)) = event { result.append(policy) }
            }
            return result
        }
        #expect(told() == [])
        site.exchange.wake(1 << 1)
        try Retry.pause(milliseconds: 1300)
        #expect(told() == [PolicyIdentifier(rawValue: 1)])
    }
}
