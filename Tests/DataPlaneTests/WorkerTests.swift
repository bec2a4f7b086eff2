internal import Glibc
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
        let wakeUp: EventDescriptor
        private let index: Int

        init(worker: Int = 1) throws {
            index = worker
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
            wakeUp = try EventDescriptor()
            channels = [
                try WorkerChannel(eventWakeUp: wakeUp), try WorkerChannel(eventWakeUp: wakeUp),
            ]
            exchange = WorkerExchange(channels)
        }

        var setup: WorkerSetup {
            WorkerSetup(
                configuration: surroundings.configuration,
                commands: channels[index].commands,
                events: channels[index].events,
                counters: channels[index].counters,
                place: WorkerPlace(index: index, of: 2),
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

    /// More than the mailbox holds, and then silence: the worker says when there is room again.
    @Test func whatFoundTheMailboxFullIsSentOn() throws {
        let site = try Site()
        let channel = site.channels[1]
        for number in 0..<5000 {
            site.post(.removeSA(SAIdentifier(rawValue: UInt32(number))))
        }
        try channel.start(site.setup)
        defer { channel.stop() }
        let loop = try EventLoop()
        try loop.add(site.wakeUp.number) { _ in
            site.wakeUp.drain()
            channel.sendWaiting()
        }
        let end = BootClock.now() + .seconds(3)
        while !channel.isUpToDate, BootClock.now() < end {
            try loop.runOnce(timeoutMilliseconds: 50)
        }
        #expect(channel.isUpToDate)
    }

    /// Connections within the namespace: the worker's ends, and those of peers.
    private func connections(_ site: Site, _ count: Int) throws -> [[TCPConnection]] {
        try site.namespace.perform {
            let address = Endpoint(address: IPAddress("127.0.0.1")!, port: 4510)
            let listener = try TCPListener(bindingTo: address, mark: nil)
            return try (0..<count).map { _ in
                let near = try TCPConnection(openingTo: address, from: address.address, mark: nil)
                let far = try Retry.until(seconds: 3) { () throws -> TCPConnection in
                    guard case .connection(let connection) = listener.accept() else {
                        throw ShellFailure(command: "accept", output: "nobody came")
                    }
                    return connection
                }
                return [near, far]
            }
        }
    }

    private func adopt(_ connection: TCPConnection, _ number: Int, by channel: WorkerChannel) {
        let parcel = StreamParcel(
            number: StreamNumber(rawValue: UInt64(number)),
            connection: connection,
            received: [],
            unsent: []
        )
        channel.post(.stream(.adopt(parcel)))
    }

    /// The way to the second worker, who has enough for now.
    private func fullRing(_ site: Site) throws -> HandOverRing {
        let ring = try #require(site.exchange.rings(from: 0)[1])
        let packet = [UInt8](repeating: 0, count: 60_000)
        while ring.isHalfFree {
            let isTaken = unsafe packet.withUnsafeBytes {
                unsafe ring.put(
                    $0.baseAddress!,
                    byteCount: $0.count,
                    HandOverRing.Record(kind: .datagram)
                )
            }
            try #require(isTaken)
        }
        return ring
    }

    /// A packet along a connection, for an odd SPI, which is the second worker's.
    private static func message(_ spi: Int, octets: Int = 32) -> [UInt8] {
        let length = octets + 2
        return [UInt8(length >> 8), UInt8(length & 255), 0, 0, UInt8(spi >> 8), UInt8(spi & 255)]
            + [UInt8](repeating: 7, count: octets - 4)
    }

    /// What the worker that has the SAs has no room for waits where it loses nothing.
    @Test func aConnectionIsNotReadWhileAnotherWorkerHasEnough() throws {
        let site = try Site(worker: 0)
        let ends = try #require(try connections(site, 1).first)
        let ring = try fullRing(site)
        let channel = site.channels[0]
        try channel.start(site.setup)
        defer { channel.stop() }
        adopt(ends[0], 1, by: channel)
        _ = ends[1].write(Self.message(1)[...])
        try Retry.pause(milliseconds: 200)
        #expect(channel.counters.streamReads.current == 0)
        while unsafe ring.take() != nil {}
        ring.release()
        try Retry.until(seconds: 3) {
            if channel.counters.streamReads.current == 0 {
                throw ShellFailure(command: "read", output: "nothing")
            }
        }
    }

    /// Where another worker takes little at a time, each connection has its turn.
    @Test func connectionsTakeTurnsForAWorkerThatIsSlow() throws {
        let site = try Site(worker: 0)
        // So that more is there at once than one read takes.
        try Shell.run([
            "ip", "netns", "exec", site.namespace.name, "sysctl", "-qw",
            "net.ipv4.tcp_rmem=4096 4000000 6000000",
        ])
        let ends = try connections(site, 8)
        let ring = try fullRing(site)
        let channel = site.channels[0]
        for (number, pair) in ends.enumerated() {
            adopt(pair[0], number + 1, by: channel)
            let message = Self.message(2 * number + 1, octets: 1000)
            _ = pair[1].write(Array(repeating: message, count: 8000).flatMap { $0 }[...])
        }
        try channel.start(site.setup)
        defer { channel.stop() }
        var seen: Set<UInt8> = []
        var octets = 0
        let end = BootClock.now() + .seconds(5)
        while seen.count < ends.count, BootClock.now() < end {
            var taken = 0
            while taken < 60_000, let packet = unsafe ring.take() {
                taken += unsafe packet.byteCount
                guard unsafe packet.byteCount < 60_000 else { continue }
                octets += unsafe packet.byteCount
                seen.insert(unsafe packet.bytes.load(fromByteOffset: 3, as: UInt8.self))
            }
            ring.release()
            try Retry.pause(milliseconds: 1)
        }
        #expect(seen.count == ends.count, "\(seen.sorted())")
        #expect(octets < 4 << 20)
    }
}
