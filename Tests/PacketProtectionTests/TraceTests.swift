internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection
internal import Synchronization
internal import Testing

/// Keeps what it is told.
private final class Notebook: TraceSink {
    struct Note: Sendable {
        var record: TraceRecord
        var octets: [UInt8]
    }

    private let kept = Mutex<[Note]>([])
    private let beyond = Mutex<Int>(0)

    func take(_ record: TraceRecord, _ octets: UnsafeRawBufferPointer) {
        let note = unsafe Note(record: record, octets: Array(octets))
        kept.withLock { $0.append(note) }
    }

    func countBeyondRate() { beyond.withLock { $0 += 1 } }

    var notes: [Note] { kept.withLock { $0 } }
    var records: [TraceRecord] { notes.map(\.record) }
    var beyondRate: Int { beyond.withLock { $0 } }
    func forget() { kept.withLock { $0 = [] } }
}

@Suite("Packets traced")
struct TraceTests {
    private func watch(
        _ gateway: TestGateway,
        identifier: UInt64 = 1,
        _ change: (inout TraceFilter) -> Void = { _ in }
    ) -> Notebook {
        let notebook = Notebook()
        var filter = TraceFilter()
        change(&filter)
        gateway.apply(
            .beginTrace(TraceTap(identifier: identifier, filter: filter, sink: notebook))
        )
        return notebook
    }

    private func frame(_ octets: Int = 100, to far: Endpoint = TestHosts.farV4) -> [UInt8] {
        TestPackets.plain(
            TestPackets.udp(from: TestHosts.nearV4, to: far, payload: pattern(octets))
        )
    }

    static let tunnels: [TestTunnel] = [Encapsulation.udp, .esp].flatMap { encapsulation in
        PacketCarriage.allCases.filter { $0 != .espAggregated }.flatMap { carriage in
            [IPVersion.v4, .v6].map {
                TestTunnel(encapsulation: encapsulation, outer: $0, carriage: carriage)
            }
        }
    }.filter { !($0.carriage.isAuthenticationHeader && $0.encapsulation == .udp) }

    @Test func whatWaitsForATrainIsSaidToWait() throws {
        let (near, _) = try TestTunnel(carriage: .espAggregated).gateways(outbound: {
            $0.train = TrainParameters(bitsPerSecond: 1_000_000)
        })
        let notebook = watch(near)
        near.send([frame()])
        #expect(notebook.records.map(\.outcome) == [.queued])
        #expect(notebook.records.first?.hasSA == true)
    }

    @Test(arguments: tunnels.indices)
    func aPacketIsToldAtBothEnds(index: Int) throws {
        let tunnel = TraceTests.tunnels[index]
        let (near, far) = try tunnel.gateways()
        let (leaving, arriving) = (watch(near), watch(far))
        let (source, destination) =
            tunnel.carriage.isTransport ? tunnel.ends : TestHosts.pair(.v4)
        let packet = TestPackets.udp(from: source, to: destination, payload: pattern(100))
        let plain = TestPackets.plain(packet)
        let runs = near.send([plain])
        let frames = far.receive(runs)
        #expect(frames.count == 1)
        let sealed = try #require(leaving.records.first)
        let opened = try #require(arriving.records.first)
        #expect(leaving.records.count == 1 && arriving.records.count == 1)
        #expect(sealed.outcome == .sealed && opened.outcome == .opened)
        for record in [sealed, opened] {
            #expect(record.hasInner && record.hasPorts && record.ipProtocol == 17)
            #expect(record.sourceAddress == source.address)
            #expect(record.destinationAddress == destination.address)
            #expect(record.sourcePort == source.port)
            #expect(record.destinationPort == destination.port)
            #expect(record.innerOctets == UInt32(packet.count))
            #expect(record.hasPolicy && record.policy == TestTunnel.policy.rawValue)
            #expect(record.hasSA && record.association == tunnel.identifier)
            #expect(record.spi == tunnel.spi && record.sequence == 1)
            #expect(record.datagrams == 1)
            #expect(record.isTransport == tunnel.carriage.isTransport)
            #expect(record.isAuthenticationHeader == tunnel.carriage.isAuthenticationHeader)
            #expect(record.captured == 0)
        }
        #expect(sealed.outerOctets == UInt32(runs[0].byteCountOfAll))
        #expect(opened.outerOctets == sealed.outerOctets)
        #expect(sealed.local.address == tunnel.path.local.address)
        #expect(opened.remote.address == tunnel.path.local.address)
    }

    /// What is traced must go as it goes untraced, superpackets and what is put together included.
    @Test func nothingIsOtherThanWithout() throws {
        let tunnel = TestTunnel()
        let frames =
            (0..<40).map { frame(50 + $0) }
            + [
                TestPackets.tso(
                    from: TestHosts.nearV4,
                    to: TestHosts.farV4,
                    payload: pattern(30_000),
                    segmentPayload: 1300
                )
            ]
        let (near, far) = try tunnel.gateways()
        let runs = near.send(frames)
        let (tracedNear, tracedFar) = try tunnel.gateways()
        _ = watch(tracedNear)
        _ = watch(tracedFar) { $0.captureOctets = 65_535 }
        let tracedRuns = tracedNear.send(frames)
        #expect(tracedRuns == runs)
        #expect(tracedFar.receive(tracedRuns) == far.receive(runs))
    }

    @Test func aSuperpacketIsOnePacketInManyDatagrams() throws {
        let (near, _) = try TestTunnel().gateways()
        let notebook = watch(near)
        let segments = near.send([
            TestPackets.tso(
                from: TestHosts.nearV4,
                to: TestHosts.farV4,
                payload: pattern(13_000),
                segmentPayload: 1300
            )
        ])
        let record = try #require(notebook.records.first)
        #expect(notebook.records.count == 1)
        #expect(record.datagrams == 10 && record.sequence == 10)
        #expect(Int(record.outerOctets) == segments.map(\.byteCountOfAll).reduce(0, +))
    }

    @Test func whatTheCaptureHasIsWhatWentAndCame() throws {
        let (near, far) = try TestTunnel().gateways()
        let leaving = watch(near) { $0.captureOctets = 65_535 }
        let arriving = watch(far) { $0.captureOctets = 65_535 }
        let packet = TestPackets.udp(
            from: TestHosts.nearV4,
            to: TestHosts.farV4,
            payload: pattern(100)
        )
        let runs = near.send([TestPackets.plain(packet)])
        _ = far.receive(runs)
        let datagram = runs[0].datagrams[0]
        #expect(leaving.records.map(\.outcome) == [.sealed, .datagram])
        #expect(arriving.records.map(\.outcome) == [.opened, .datagram])
        for notebook in [leaving, arriving] {
            #expect(notebook.notes[0].octets == packet)
            // Before it was opened where it lay.
            #expect(notebook.notes[1].octets == datagram)
        }
    }

    @Test func aCaptureIsCutToWhatIsWanted() throws {
        let (near, _) = try TestTunnel().gateways()
        let notebook = watch(near) { $0.captureOctets = 64 }
        near.send([frame(1000)])
        #expect(notebook.notes.map(\.octets.count) == [64, 64])
        #expect(notebook.records.map(\.captured) == [64, 64])
    }

    // MARK: Drops

    private func reasons(_ notebook: Notebook) -> [DropReason?] {
        notebook.records.map { $0.outcome == .dropped ? $0.reason : nil }
    }

    @Test func outboundDropsHaveTheirReason() throws {
        let gateway = TestGateway()
        let pair = SelectorPair.pairs(local: [.everything(.v4)], remote: [.everything(.v4)])
        gateway.apply(
            .replacePolicies([
                PolicyEntry(
                    identifier: PolicyIdentifier(rawValue: 3),
                    action: .discard,
                    selectors: pair
                )
            ])
        )
        let notebook = watch(gateway)
        gateway.send([frame(), Array(frame()[..<20])])
        gateway.send([
            TestPackets.plain(
                TestPackets.udp(
                    from: TestHosts.nearV6,
                    to: TestHosts.farV6,
                    payload: pattern(10)
                )
            )
        ])
        #expect(reasons(notebook) == [.policyDiscard, .malformedInner, .noPolicy])
        #expect(notebook.records.map(\.hasPolicy) == [true, false, false])
        #expect(notebook.records[0].policy == 3)
        #expect(notebook.records.map(\.hasInner) == [true, false, true])
    }

    @Test func whatIsTooBigIsToldWithTheSizeThatFits() throws {
        let (near, _) = try TestTunnel().gateways()
        let notebook = watch(near)
        near.send([frame(3000)])
        let record = try #require(notebook.records.first)
        #expect(record.reason == .tooBig)
        #expect((1300..<1500).contains(record.limit))
    }

    @Test func inboundDropsHaveTheirReason() throws {
        let (near, far) = try TestTunnel().gateways(inbound: {
            $0.selectors = SelectorPair.pairs(
                local: [TrafficSelector(address: TestHosts.farV4.address)],
                remote: [.everything(.v4)]
            )
        })
        let notebook = watch(far)
        let runs = near.send([frame()])
        _ = far.receive(runs)
        _ = far.receive(runs)
        var forged = near.send([frame()])
        forged[0].datagrams[0][40] ^= 1
        _ = far.receive(forged)
        _ = far.receive(near.send([frame(100, to: TestHosts.otherV4)]))
        var unknown = near.send([frame()])
        unknown[0].datagrams[0][0] = 0x77
        _ = far.receive(unknown)
        var short = unknown
        short[0].datagrams[0] = [0xff]
        _ = far.receive(short)
        var message = unknown
        message[0].datagrams[0] = [0, 0, 0, 0, 1, 2, 3]
        _ = far.receive(message)
        #expect(
            reasons(notebook) == [
                nil, .replayed, .authenticationFailed, .selectorMismatch, .unknownSPI, .keepalive,
                nil,
            ]
        )
        #expect(notebook.records[0].outcome == .opened)
        #expect(notebook.records[6].outcome == .control)
        // Nothing is said of what is inside a packet that is not authentic.
        #expect(
            notebook.records.map(\.hasInner) == [true, false, false, true, false, false, false]
        )
        #expect(notebook.records[3].destinationAddress == TestHosts.otherV4.address)
        #expect(notebook.records[4].spi >> 24 == 0x77 && !notebook.records[4].hasSA)
    }

    @Test func twoOfOneInABatchAreTold() throws {
        let (near, far) = try TestTunnel().gateways()
        let notebook = watch(far)
        let runs = near.send([frame()])
        #expect(far.receive(runs + runs).count == 1)
        #expect(notebook.records.map(\.outcome) == [.opened, .dropped])
        #expect(notebook.records[1].reason == .replayed)
    }

    // MARK: Packets that wait

    @Test func aPacketThatWaitedIsToldTwice() throws {
        let near = TestGateway()
        near.apply(TestTunnel.everything)
        let notebook = watch(near)
        near.send([frame()])
        near.now = near.now + .milliseconds(120)
        near.apply(.installOutbound(try TestTunnel().outbound()))
        #expect(near.release().count == 1)
        #expect(notebook.records.map(\.outcome) == [.held, .sealed])
        #expect(notebook.records[1].heldFor == 120_000_000)
    }

    @Test func aPacketThatWaitedInVainIsTold() throws {
        let near = TestGateway()
        near.apply(TestTunnel.everything)
        let notebook = watch(near)
        near.send([frame(), frame()])
        near.now = near.now + .seconds(31)
        near.outbound.expire(at: near.now)
        near.send([frame()])
        near.apply(.dropHeldPackets(TestTunnel.policy))
        near.send([frame()])
        near.apply(.replacePolicies([]))
        #expect(
            reasons(notebook) == [
                nil, nil, .holdExpired, .holdExpired, nil, .holdAbandoned, nil, .holdAbandoned,
            ]
        )
        #expect(notebook.records.allSatisfy { $0.sourceAddress == TestHosts.nearV4.address })
        #expect(notebook.records[2].heldFor == 31_000_000_000)
    }

    // MARK: Filters

    @Test func conditionsHoldTogether() throws {
        let (near, _) = try TestTunnel().gateways()
        func count(_ change: (inout TraceFilter) -> Void) -> Int {
            let notebook = watch(near, change)
            near.send([frame(), frame(100, to: TestHosts.otherV4), Array(frame()[..<20])])
            near.apply(.endTrace(1))
            return notebook.records.count
        }
        func prefix(_ text: String, _ length: Int) -> TraceFilter.Prefix {
            TraceFilter.Prefix(IPAddress(text)!, length: length)
        }
        #expect(count { _ in } == 3)
        #expect(count { $0.addresses = [prefix("10.2.0.9", 32)] } == 1)
        #expect(count { $0.addresses = [prefix("10.2.255.255", 16)] } == 2)
        #expect(count { $0.addresses = [prefix("10.9.0.0", 16), prefix("10.1.0.5", 32)] } == 2)
        #expect(count { $0.addresses = [prefix("198.51.100.2", 32)] } == 2)
        #expect(count { $0.addresses = [prefix("0.0.0.0", 0)] } == 2)
        #expect(count { $0.addresses = [prefix("::", 0)] } == 0)
        #expect(count { $0.ipProtocol = 17 } == 2)
        #expect(count { $0.ipProtocol = 6 } == 0)
        #expect(count { $0.port = 443 } == 2)
        #expect(count { $0.port = 444 } == 0)
        #expect(count { $0.policies = [TestTunnel.policy] } == 2)
        #expect(count { $0.policies = [] } == 0)
        #expect(count { $0.spi = SPI(rawValue: 0x1000_0001) } == 2)
        #expect(count { $0.spi = SPI(rawValue: 0x1000_0002) } == 0)
        #expect(count { $0.direction = .outbound } == 3)
        #expect(count { $0.direction = .inbound } == 0)
        #expect(count { $0.dropsOnly = true } == 1)
        #expect(count { $0.reasons = [.malformedInner] } == 1)
        #expect(count { $0.reasons = [.noPolicy] } == 0)
    }

    @Test func aSampleIsOneInSoMany() throws {
        let (near, _) = try TestTunnel().gateways()
        let notebook = watch(near) { $0.sample = 10 }
        near.send((0..<95).map { _ in frame() })
        #expect(notebook.records.map(\.sequence) == stride(from: 1, to: 95, by: 10).map { $0 })
    }

    @Test func moreASecondThanAskedForIsCounted() throws {
        let (near, _) = try TestTunnel().gateways()
        let notebook = watch(near) { $0.perSecond = 5 }
        near.send((0..<20).map { _ in frame() })
        #expect(notebook.records.count == 5 && notebook.beyondRate == 15)
        near.now = near.now + .seconds(1)
        near.send([frame()])
        #expect(notebook.records.count == 6)
    }

    @Test func severalLookAtOnce() throws {
        let (near, far) = try TestTunnel().gateways()
        let all = watch(near)
        let none = watch(near, identifier: 2) { $0.dropsOnly = true }
        let other = watch(near, identifier: 3) { $0.captureOctets = 64 }
        #expect(far.receive(near.send([frame()])).count == 1)
        #expect(all.records.count == 1 && none.records.isEmpty && other.records.count == 2)
        near.apply(.endTrace(1))
        near.send([frame()])
        #expect(all.records.count == 1 && other.records.count == 4)
        near.apply(.endTrace(2))
        near.apply(.endTrace(3))
        let isTraced = near.outbound.isTraced
        #expect(!isTraced)
    }

    /// Whatever comes, it is told and nothing else happens.
    @Test func hostilePacketsAreToldToo() throws {
        let (near, far) = try TestTunnel().gateways()
        let leaving = watch(near) {
            $0.captureOctets = 65_535
            $0.perSecond = 1_000_000
        }
        let arriving = watch(far) {
            $0.captureOctets = 65_535
            $0.perSecond = 1_000_000
        }
        var random = SeededRandomSource(seed: 4)
        let good = frame(200)
        let datagrams = near.send([good])
        for _ in 0..<2000 {
            var bytes = good
            for _ in 0..<3 {
                let place = 10 + Int(random.next32()) % (bytes.count - 10)
                bytes[place] = UInt8(truncatingIfNeeded: random.next32())
            }
            near.send([Array(bytes.prefix(11 + Int(random.next32()) % (bytes.count - 10)))])
            var runs = datagrams
            let place = Int(random.next32()) % runs[0].datagrams[0].count
            runs[0].datagrams[0][place] = UInt8(truncatingIfNeeded: random.next32())
            runs[0].datagrams[0].removeLast(Int(random.next32()) % 40)
            _ = far.receive(runs)
        }
        #expect(leaving.records.filter { $0.outcome != .datagram }.count == 2001)
        #expect(arriving.records.filter { $0.outcome != .datagram }.count == 2000)
    }
}

extension SentRun {
    /// Octets of all its datagrams.
    fileprivate var byteCountOfAll: Int { datagrams.reduce(0) { $0 + $1.count } }
}
