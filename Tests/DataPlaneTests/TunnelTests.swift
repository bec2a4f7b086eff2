internal import DataPlane
internal import Glibc
internal import IPsecPrimitives
internal import LinuxIO
internal import NamespaceTesting
internal import PacketProtection
internal import Testing

/// Two data planes in two namespaces with SAs set by hand, and real traffic.
@Suite(
    "A tunnel between two data planes",
    .enabled(if: NetworkNamespace.isAvailable),
    .serialized
)
struct TunnelTests {
    @Test(arguments: [Encapsulation.udp, .esp], [IPVersion.v4, .v6])
    func carriesBothVersionsInside(encapsulation: Encapsulation, outer: IPVersion) throws {
        try carryBothVersions(encapsulation, outer, workers: 1)
    }

    @Test(arguments: [Encapsulation.udp, .esp], [IPVersion.v4, .v6])
    func severalWorkersCarryTheSame(encapsulation: Encapsulation, outer: IPVersion) throws {
        try carryBothVersions(encapsulation, outer, workers: 2)
    }

    private func carryBothVersions(
        _ encapsulation: Encapsulation,
        _ outer: IPVersion,
        workers: Int
    ) throws {
        let (left, right) = try TestGateway.pair(workers: workers)
        for (here, there) in [(left, right), (right, left)] {
            here.protect(there)
            try here.installAssociations(to: there, encapsulation: encapsulation, outer: outer)
        }
        for inner in [IPVersion.v4, .v6] {
            #expect(left.ping(right, inner))
            #expect(left.ping(right, inner, options: "-c 2 -s 1300 -M do"))
        }
        let server = try right.namespace.start("iperf3 -s -1")
        defer { server.stop() }
        // As many flows as give every worker some, however the kernel shares them out.
        let flows = workers == 1 ? 4 : 24
        let transfer = try Retry.until(seconds: 5) {
            let text = try left.namespace.run(
                "iperf3 -c 10.2.0.1 -B 10.1.0.1 -t 1 -P \(flows) -J"
            )
            // It exits with 0 even when the server is not there yet.
            if text.contains("\"error\"") { throw ShellFailure(command: "iperf3", output: text) }
            return text
        }
        #expect(transfer.contains("end"))
        let sent = left.dataPlane.snapshot()
        #expect(sent.datagramsSent > 1000)
        #expect(sent.datagramsUnsent == 0)
        #expect(right.dataPlane.snapshot().deviceWriteFailures == 0)
        let workersAtWork = left.dataPlane.workerSnapshots().filter { $0.deviceReads > 0 }
        #expect(workersAtWork.count == workers)
    }

    @Test func theWireCarriesNothingButESP() throws {
        let (left, right) = try TestGateway.pair()
        for (here, there) in [(left, right), (right, left)] {
            here.protect(there)
            try here.installAssociations(to: there, encapsulation: .udp, outer: .v4)
        }
        let capture = try right.namespace.start(
            "tcpdump --immediate-mode -lnni wan not arp and not icmp6 and not ip6 multicast"
        )
        try Retry.pause(milliseconds: 700)
        #expect(left.ping(right, .v4))
        #expect(left.ping(right, .v6))
        try Retry.pause(milliseconds: 300)
        let lines = capture.stop().split(separator: "\n").filter { $0.contains(" > ") }
        #expect(lines.count >= 12)
        #expect(lines.allSatisfy { $0.contains("UDP-encap: ESP") })
    }

    @Test(arguments: [1, 3])
    func aDeviceThatIsGoneIsToldOnce(workers: Int) throws {
        let gateway = try TestGateway(1, workers: workers)
        try gateway.namespace.run("ip link delete cygnet0")
        var told = 0
        for _ in 0..<5 {
            try Retry.pause(milliseconds: 100)
            for event in gateway.dataPlane.drainEvents() {
                if case .deviceLost = event { told += 1 }
            }
        }
        #expect(told == 1)
    }

    @Test(arguments: [1, 3])
    func aPacketWaitsForItsAssociation(workers: Int) throws {
        let (left, right) = try TestGateway.pair(workers: workers)
        left.protect(right)
        right.protect(left)
        let ping = try left.namespace.start("ping -c 1 -W 5 -I 10.1.0.1 10.2.0.1")
        let events = try left.events { !$0.isEmpty }
        guard case .packetPath(.acquire(let policy, let tuple))? = events.first else {
            Issue.record("no acquire but \(events)")
            return
        }
        #expect(policy == PolicyIdentifier(rawValue: 1))
        #expect(tuple.destination == IPAddress("10.2.0.1"))
        for (here, there) in [(right, left), (left, right)] {
            try here.installAssociations(to: there, encapsulation: .udp, outer: .v4)
        }
        #expect(ping.waitUntilDone().status == 0)
    }

    @Test(arguments: [1, 3])
    func keyExchangeOnTheESPPortReachesControl(workers: Int) throws {
        let (left, right) = try TestGateway.pair(workers: workers)
        let message = [UInt8](repeating: 7, count: 60)
        try left.namespace.perform {
            let socket = try UDPSocket(
                bindingTo: Endpoint(address: IPAddress("192.0.2.1")!, port: 4501)
            )
            try socket.send(
                [0, 0, 0, 0] + message,
                to: Endpoint(address: IPAddress("192.0.2.2")!, port: 4500)
            )
        }
        let events = try right.events { !$0.isEmpty }
        guard case .ikeDatagram(let datagram)? = events.first else {
            Issue.record("no IKE datagram but \(events)")
            return
        }
        #expect(datagram.bytes == message)
        #expect(datagram.local.description == "192.0.2.2:4500")
        #expect(datagram.remote.description == "192.0.2.1:4501")
    }

    @Test(arguments: [1, 3])
    func queriesAreAnsweredByBothDirections(workers: Int) throws {
        let (left, right) = try TestGateway.pair(workers: workers)
        left.protect(right)
        try left.installAssociations(to: right, encapsulation: .udp, outer: .v6)
        left.dataPlane.post(.query(token: 9))
        let events = try left.events { $0.count == 2 }
        let snapshots = events.compactMap { event -> PacketPathSnapshot? in
            guard case .packetPath(.snapshot(token: 9, let snapshot)) = event else { return nil }
            return snapshot
        }
        #expect(Set(snapshots.map(\.isOutbound)) == [true, false])
        #expect(snapshots.allSatisfy { $0.associations.count == 1 })
        left.dataPlane.stop()
        left.dataPlane.stop()
    }

    @Test func smallerPathsAreReported() throws {
        let (left, right) = try TestGateway.pair(wireMTU: 1300)
        for (here, there) in [(left, right), (right, left)] {
            here.protect(there)
            // Both believe in a link of 1500 octets.
            try here.installAssociations(to: there, encapsulation: .udp, outer: .v4)
        }
        _ = left.ping(right, .v4, options: "-c 1 -s 1350 -M do -W 1")
        let events = try left.events { $0.contains { $0.isPathMTU } }
        guard case .pathMTU(let remote, let mtu)? = events.first(where: \.isPathMTU) else {
            Issue.record("no report of the path's MTU but \(events)")
            return
        }
        #expect(remote.address == IPAddress("192.0.2.2"))
        #expect(mtu == 1300)
    }

    /// The kernel says nothing of a run that does not fit: whoever sends nothing else must not be lost.
    @Test func smallerPathsAreReportedOfSuperpackets() throws {
        let (left, right) = try TestGateway.pair(wireMTU: 1300)
        left.protect(right)
        try left.installAssociations(to: right, encapsulation: .udp, outer: .v4)
        let source = Endpoint(address: left.address(.v4), port: 7000)
        let sender = try left.namespace.perform {
            let socket = try UDPSocket(bindingTo: source, options: .init(mark: nil))
            // UDP_SEGMENT, and DF in each of them (IP_MTU_DISCOVER, IP_PMTUDISC_DO).
            for (level, name, value) in [(17, 103, 1350), (0, 10, 2)] as [(Int32, Int32, Int32)] {
                var value = value
                let octets = socklen_t(MemoryLayout<Int32>.size)
                guard unsafe setsockopt(socket.number, level, name, &value, octets) == 0 else {
                    throw ShellFailure(command: "setsockopt", output: "\(errno)")
                }
            }
            return socket
        }
        let target = Endpoint(address: right.address(.v4), port: 9)
        try sender.send([UInt8](repeating: 1, count: 4 * 1350), to: target)
        let events = try left.events { $0.contains { $0.isPathMTU } }
        guard case .pathMTU(_, let mtu)? = events.first(where: \.isPathMTU) else {
            Issue.record("no report of the path's MTU but \(events)")
            return
        }
        #expect(mtu == 1300)
    }
}

extension DataPlaneEvent {
    fileprivate var isPathMTU: Bool {
        if case .pathMTU = self { true } else { false }
    }
}
