internal import IPsecPrimitives
internal import PacketProtection
internal import Testing

/// Several workers beside one that is given the same: what leaves, and what arrives, must be the same.
@Suite struct WorkerTests {
    private static let policyCount: UInt32 = 5

    private static let configuration: PacketPathConfiguration = {
        var result = PacketPathConfiguration()
        result.coalescesTCP = false
        return result
    }()

    private static func network(_ policy: UInt32) -> TrafficSelector {
        TrafficSelector(prefix: IPPrefix("10.2.\(policy).0/24")!)
    }

    private static let policies = PacketPathCommand.replacePolicies(
        (0..<policyCount).map { policy in
            PolicyEntry(
                identifier: PolicyIdentifier(rawValue: policy),
                action: .protect,
                selectors: [SelectorPair(local: .everything(.v4), remote: network(policy))]
            )
        }
    )

    private static func tunnel(_ policy: UInt32, _ generation: UInt32) -> TestTunnel {
        var tunnel = TestTunnel()
        tunnel.identifier = generation * policyCount + policy + 1
        // Whose owner changes from one to the next.
        tunnel.spi = 0x1000 + tunnel.identifier * 7
        tunnel.selectors = [
            SelectorPair(local: .everything(.v4), remote: network(policy))
        ]
        return tunnel
    }

    private static func outbound(
        _ policy: UInt32,
        _ generation: UInt32,
        resource: Int = 0
    ) throws -> PacketPathCommand {
        var parameters = try tunnel(policy, generation).outbound()
        parameters.policy = PolicyIdentifier(rawValue: policy)
        parameters.resource = resource
        return .installOutbound(parameters)
    }

    private static func inbound(_ policy: UInt32, _ generation: UInt32) throws -> PacketPathCommand
    {
        var parameters = try tunnel(policy, generation).inbound()
        parameters.policy = PolicyIdentifier(rawValue: policy)
        return .installInbound(parameters)
    }

    /// The flow, which is a policy and a port, and the number of the packet within it.
    private static func frame(_ flow: UInt32, number: UInt32) -> [UInt8] {
        TestPackets.plain(
            TestPackets.udp(
                from: Endpoint(address: IPAddress("10.1.0.5")!, port: UInt16(1000 + flow)),
                to: Endpoint(
                    address: IPAddress("10.2.\(flow % policyCount).9")!,
                    port: 443
                ),
                payload: TestPackets.bytes32(flow) + TestPackets.bytes32(number)
                    + pattern(Int(number * 37 % 300), seed: UInt64(number))
            )
        )
    }

    private static func spi(_ datagram: [UInt8]) -> UInt32 {
        datagram[..<4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    private static func sequence(_ datagram: [UInt8]) -> UInt32 {
        datagram[4..<8].reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// Flows that each come by the queue of one worker, rekeys in between, and turns at random.
    @Test(arguments: [2, 3, 7], [UInt64(1), 2])
    func whatLeavesIsTheSameAsOfOne(count: Int, seed: UInt64) throws {
        var random = SeededRandomSource(seed: seed)
        let group = TestWorkers(count, Self.configuration)
        let alone = TestGateway(Self.configuration)
        let (farOfGroup, farOfOne) = (
            TestGateway(Self.configuration), TestGateway(Self.configuration)
        )
        group.apply(Self.policies)
        alone.apply(Self.policies)
        var generations = [UInt32](repeating: 0, count: Int(Self.policyCount))
        func install(_ policy: UInt32) throws {
            let generation = generations[Int(policy)]
            for far in [farOfGroup, farOfOne] { far.apply(try Self.inbound(policy, generation)) }
            group.apply(try Self.outbound(policy, generation))
            alone.apply(try Self.outbound(policy, generation))
        }
        for policy in 0..<Self.policyCount { try install(policy) }
        var numbers: [UInt32: UInt32] = [:]
        var sent: [SentRun] = []
        var expected: [SentRun] = []
        for _ in 0..<600 {
            let worker = Int(random.next32() % UInt32(count))
            switch random.next32() % 8 {
            case 0:
                let policy = random.next32() % Self.policyCount
                generations[Int(policy)] += 1
                try install(policy)
            case 1, 2: sent += group.takeArrivals(at: worker).runs
            default:
                let flows = (0..<(1 + random.next32() % 6)).map { _ in
                    random.next32() % 8 * UInt32(count) + UInt32(worker)
                }
                let frames = flows.map { flow -> [UInt8] in
                    numbers[flow, default: 0] += 1
                    return Self.frame(flow, number: numbers[flow]!)
                }
                sent += group.workers[worker].send(frames)
                expected += alone.send(frames)
            }
        }
        sent += group.takeAllArrivals().runs
        let (here, there) = (farOfGroup.receive(sent), farOfOne.receive(expected))
        #expect(here.count == numbers.values.reduce(0) { $0 + Int($1) })
        #expect(
            here.sorted { $0.lexicographicallyPrecedes($1) }
                == there.sorted { $0.lexicographicallyPrecedes($1) }
        )
        // Of every SA each number once, and none left out.
        let datagrams = sent.flatMap(\.datagrams)
        for (_, ofOne) in Dictionary(grouping: datagrams, by: Self.spi) {
            #expect(ofOne.map(Self.sequence) == (1...UInt32(ofOne.count)).map { $0 })
        }
        // Of every flow the order in which its packets came.
        var last: [ArraySlice<UInt8>: UInt32] = [:]
        for frame in here {
            let number = frame[42..<46].reduce(0) { $0 << 8 | UInt32($1) }
            #expect(number == last[frame[38..<42], default: 0] + 1)
            last[frame[38..<42]] = number
        }
        let handedOver = group.workers.reduce(0) { $0 + $1.outbound.packetsHandedOver }
        #expect(handedOver > 100)
    }

    /// Datagrams that come to any worker, as when the kernel has joined those of several SAs.
    @Test(arguments: [2, 3, 7])
    func whatArrivesIsTheSameAsOfOne(count: Int) throws {
        var random = SeededRandomSource(seed: UInt64(count))
        let near = TestGateway(Self.configuration)
        let group = TestWorkers(count, Self.configuration)
        near.apply(Self.policies)
        for policy in 0..<Self.policyCount {
            near.apply(try Self.outbound(policy, 0))
            group.apply(try Self.inbound(policy, 0))
        }
        var frames: [[UInt8]] = []
        var runs: [SentRun] = []
        for number: UInt32 in 1...400 {
            let frame = Self.frame(random.next32() % 20, number: number)
            frames.append(frame)
            runs += near.send([frame])
        }
        func receive() -> [[UInt8]] {
            var received: [[UInt8]] = []
            for run in runs {
                let worker = Int(random.next32() % UInt32(count))
                received += group.workers[worker].receive([run])
                if random.next32() % 4 == 0 {
                    received += group.takeArrivals(at: worker).frames
                }
            }
            return received + group.takeAllArrivals().frames
        }
        let received = receive()
        #expect(
            received.sorted { $0.lexicographicallyPrecedes($1) }
                == frames.sorted { $0.lexicographicallyPrecedes($1) }
        )
        #expect(receive() == [])
        let replayed = group.workers.reduce(0) { $0 + $1.inboundDrops(.replayed) }
        #expect(replayed == 400)
        // What nobody has is told of by the worker whose it would be.
        var stray = runs[0]
        stray.datagrams[0].replaceSubrange(..<4, with: TestPackets.bytes32(0x9999))
        for worker in group.workers { #expect(worker.receive([stray]) == []) }
        _ = group.takeAllArrivals()
        let owner = WorkerPlace(index: 0, of: count).owner(of: SPI(rawValue: 0x9999))
        for (index, worker) in group.workers.enumerated() {
            #expect(worker.inboundDrops(.unknownSPI) == (index == owner ? UInt64(count) : 0))
        }
    }

    /// What waits for an SA waits at the policy's home, which alone asks for it.
    @Test func oneWorkerAsksForAnAssociation() throws {
        let group = TestWorkers(3, Self.configuration)
        group.apply(Self.policies)
        for worker in group.workers {
            #expect(worker.send([Self.frame(1, number: 1), Self.frame(2, number: 1)]) == [])
        }
        #expect(group.takeAllArrivals().runs == [])
        let events = group.workers.map { $0.outbound.takeEvents() }
        #expect(events.map(\.count) == [0, 1, 1])
        #expect(group.workers.map { $0.outbound.snapshot().heldPackets } == [0, 3, 3])
        group.apply(try Self.outbound(1, 0))
        group.apply(.activateOutbound(SAIdentifier(rawValue: 2)))
        let released = group.workers[1].release()
        #expect(released.flatMap(\.datagrams).count == 3)
    }

    /// RFC 9611: with an SA of its own a worker needs no other.
    @Test func anSAOfItsOwnSparesTheWay() throws {
        let group = TestWorkers(3, Self.configuration)
        group.apply(Self.policies)
        group.apply(try Self.outbound(0, 0))
        let frame = Self.frame(0, number: 1)
        for worker in [1, 2] { #expect(group.workers[worker].send([frame]) == []) }
        #expect(group.takeAllArrivals().runs.flatMap(\.datagrams).count == 2)
        // The second and third of the same traffic are for the workers behind the home.
        group.apply(try Self.outbound(0, 1, resource: 1))
        group.apply(try Self.outbound(0, 2, resource: 2))
        let spis = group.workers.map { Self.spi($0.send([frame])[0].datagrams[0]) }
        #expect(spis == (0..<3).map { Self.tunnel(0, $0).spi })
        // And where it goes, the home is asked again.
        group.apply(.removeSA(SAIdentifier(rawValue: Self.tunnel(0, 1).identifier)))
        #expect(group.workers[1].send([frame]) == [])
        #expect(group.takeAllArrivals().runs.flatMap(\.datagrams).map(Self.spi) == [spis[0]])
    }

    /// A ring that is full refuses, and counts, and loses nothing of what it took.
    @Test func aFullRingIsCounted() throws {
        let group = TestWorkers(2, Self.configuration)
        group.apply(Self.policies)
        group.apply(try Self.outbound(0, 0))
        let frames = (1...UInt32(3000)).map { Self.frame(0, number: $0) }
        func hasRoom() -> Bool { group.workers[1].outbound.othersHaveRoom }
        #expect(hasRoom())
        for part in stride(from: 0, to: frames.count, by: 100) {
            #expect(group.workers[1].send(Array(frames[part..<part + 100])) == [])
        }
        #expect(!hasRoom())
        let lost = group.workers[1].outboundDrops(.workerBusy)
        #expect(lost > 0)
        let left = group.takeArrivals(at: 0).runs.flatMap(\.datagrams).count
        #expect(left + Int(lost) == frames.count)
        #expect(hasRoom())
    }
}
