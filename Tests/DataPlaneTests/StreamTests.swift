internal import Glibc
internal import IPsecPrimitives
internal import LinuxIO
internal import NamespaceTesting
internal import PacketProtection
internal import Testing

@testable internal import DataPlane

/// Two data planes in two namespaces that carry ESP along a TCP connection (RFC 9329).
@Suite(
    "A tunnel along a TCP connection",
    .enabled(if: NetworkNamespace.isAvailable),
    .serialized
)
struct StreamTests {
    /// One connection, seen from both ends.
    private struct Connection: Sendable {
        var near: TCPConnection
        var far: TCPConnection
    }

    private func connect(
        _ left: TestGateway,
        _ right: TestGateway,
        _ version: IPVersion = .v4
    ) throws -> Connection {
        let target = Endpoint(address: right.outside(version), port: 4500)
        let listener = try right.namespace.perform { try TCPListener(bindingTo: target, mark: nil) }
        let source = left.outside(version)
        let near = try left.namespace.perform {
            try TCPConnection(openingTo: target, from: source, mark: nil)
        }
        let far = try Retry.until(seconds: 3) { () throws -> TCPConnection in
            guard case .connection(let connection) = listener.accept() else {
                throw ShellFailure(command: "accept", output: "nobody came")
            }
            return connection
        }
        return Connection(near: near, far: far)
    }

    private func adopt(
        _ connection: TCPConnection,
        by gateway: TestGateway,
        number: UInt64 = 1,
        received: [UInt8] = [],
        unsent: [UInt8] = []
    ) {
        let parcel = StreamParcel(
            number: StreamNumber(rawValue: number),
            connection: connection,
            received: received,
            unsent: unsent
        )
        gateway.dataPlane.post(.stream(.adopt(parcel)))
    }

    private func path(_ connection: TCPConnection) -> OuterPath {
        OuterPath(encapsulation: .tcp, local: connection.local, remote: connection.remote)
    }

    /// Both gateways with SAs along a connection that both have adopted.
    private func tunnel(_ version: IPVersion = .v4) throws -> (
        TestGateway, TestGateway, Connection
    ) {
        let (left, right) = try TestGateway.pair()
        let connection = try connect(left, right, version)
        for (here, there, end) in [
            (left, right, connection.near), (right, left, connection.far),
        ] {
            here.protect(there)
            try here.installAssociations(to: there, along: path(end))
            adopt(end, by: here)
        }
        return (left, right, connection)
    }

    @Test(arguments: [IPVersion.v4, .v6])
    func carriesBothVersionsInside(outer: IPVersion) throws {
        let (left, right, _) = try tunnel(outer)
        for inner in [IPVersion.v4, .v6] {
            #expect(left.ping(right, inner))
            #expect(left.ping(right, inner, options: "-c 2 -s 1300 -M do"))
        }
        let server = try right.namespace.start("iperf3 -s -1")
        defer { server.stop() }
        let transfer = try Retry.until(seconds: 5) {
            let text = try left.namespace.run("iperf3 -c 10.2.0.1 -B 10.1.0.1 -t 1 -J")
            if text.contains("\"error\"") { throw ShellFailure(command: "iperf3", output: text) }
            return text
        }
        #expect(transfer.contains("end"))
        let sent = left.dataPlane.snapshot()
        #expect(sent.streamPacketsSent > 1000 && sent.streamMissing == 0)
        #expect(sent.datagramsSent == 0 && sent.datagramsUnsent == 0)
        // The last of them may be on their way.
        let came = try Retry.until(seconds: 3) {
            let came = right.dataPlane.snapshot()
            if came.streamPacketsReceived < sent.streamPacketsSent {
                throw ShellFailure(command: "snapshot", output: "\(came)")
            }
            return came
        }
        // Many packets a read.
        #expect(came.streamReads * 4 < came.streamPacketsReceived)
    }

    @Test func messagesPassBothWaysBesidePackets() throws {
        let (left, right, _) = try tunnel()
        let message = [UInt8](repeating: 9, count: 300)
        let frame: [UInt8] = [1, 50, 0, 0, 0, 0] + message
        for (here, there) in [(left, right), (right, left)] {
            here.dataPlane.post(.stream(.send(frame, StreamNumber(rawValue: 1))))
            let events = try there.events { $0.contains(where: \.isStreamMessage) }
            let found = events.compactMap { event -> [UInt8]? in
                guard case .streamMessage(StreamNumber(rawValue: 1), let bytes) = event else {
                    return nil
                }
                return bytes
            }
            #expect(found == [message])
        }
        #expect(left.ping(right, .v4))
    }

    /// Control may have read half a message, and have half of one to send.
    @Test func aConnectionIsTakenOverInTheMiddleOfAMessage() throws {
        let (left, right) = try TestGateway.pair()
        let connection = try connect(left, right)
        let message = [UInt8](repeating: 3, count: 100)
        let frame: [UInt8] = [0, 106, 0, 0, 0, 0] + message
        adopt(connection.near, by: left, unsent: Array(frame[..<40]))
        left.dataPlane.post(.stream(.send(Array(frame[40...]) + frame, StreamNumber(rawValue: 1))))
        adopt(connection.far, by: right, received: frame + [0])
        // The octet that was read is the first of a message of which the rest comes.
        left.dataPlane.post(.stream(.send(frame, StreamNumber(rawValue: 1))))
        let events = try right.events { $0.contains(where: \.isStreamEnding) }
        #expect(events.count(where: \.isStreamMessage) == 1)
        guard case .streamEnded(_, .fault)? = events.last else {
            Issue.record("it does not notice that it is out of step: \(events)")
            return
        }
    }

    @Test func whatIsTakenOverIsDealtWith() throws {
        let (left, right) = try TestGateway.pair()
        let connection = try connect(left, right)
        let message = [UInt8](repeating: 3, count: 100)
        let frame: [UInt8] = [0, 106, 0, 0, 0, 0] + message
        adopt(connection.near, by: left, unsent: Array(frame[50...]) + frame)
        adopt(connection.far, by: right, received: frame + frame[..<50])
        let events = try right.events { $0.count(where: \.isStreamMessage) == 3 }
        #expect(events.count(where: \.isStreamMessage) == 3)
    }

    @Test(
        "a length that cannot be, and packets of nobody again and again, end the connection",
        arguments: [
            ([0, 1], StreamEnding.fault),
            (
                [[UInt8]](repeating: [0, 40] + [UInt8](repeating: 7, count: 38), count: 100)
                    .flatMap { $0 }, .outOfStep
            ),
        ] as [([UInt8], StreamEnding)]
    )
    func corrupt(octets: [UInt8], ending: StreamEnding) throws {
        let (left, right) = try TestGateway.pair()
        let connection = try connect(left, right)
        adopt(connection.far, by: right)
        #expect(connection.near.write(octets[...]) == octets.count)
        let events = try right.events { $0.contains(where: \.isStreamEnding) }
        guard case .streamEnded(_, let told)? = events.last else {
            Issue.record("no ending but \(events)")
            return
        }
        #expect(told == ending)
    }

    @Test func afterAnEndPacketsAreCountedAndAnotherConnectionCarriesThem() throws {
        let (left, right, connection) = try tunnel()
        #expect(left.ping(right, .v4))
        left.dataPlane.post(.stream(.drop(StreamNumber(rawValue: 1))))
        _ = try left.events { $0.contains(where: \.isStreamEnding) }
        #expect(!left.ping(right, .v4, options: "-c 1"))
        #expect(left.dataPlane.snapshot().streamMissing > 0)
        _ = connection
        let next = try connect(left, right)
        for (here, end) in [(left, next.near), (right, next.far)] {
            for identifier in [1, 2] as [UInt32] {
                let command = PacketPathCommand.updatePath(
                    SAIdentifier(rawValue: identifier),
                    path(end)
                )
                here.dataPlane.post(command)
            }
            adopt(end, by: here, number: 2)
        }
        #expect(left.ping(right, .v4))
    }

    /// The worker goes on, and what waits is bounded.
    @Test func aPeerThatDoesNotReadHoldsUpNobody() throws {
        let (left, right) = try TestGateway.pair()
        let connection = try connect(left, right)
        left.protect(right)
        try left.installAssociations(to: right, along: path(connection.near))
        adopt(connection.near, by: left)
        // Nobody reads at the other end. A worker that is slow, under a sanitizer, sees little of a flood.
        let flood = "dd if=/dev/zero bs=1300 count=20000 >/dev/udp/10.2.0.1/9000 2>/dev/null"
        for _ in 0..<50 where left.dataPlane.snapshot().streamQueueFull <= 1000 {
            _ = try? Shell.run(["ip", "netns", "exec", left.namespace.name, "bash", "-c", flood])
        }
        left.dataPlane.post(.query(token: 4))
        let events = try left.events { $0.count >= 2 }
        #expect(events.count >= 2)
        #expect(left.dataPlane.snapshot().streamQueueFull > 1000)
    }
}

extension DataPlaneEvent {
    fileprivate var isStreamMessage: Bool {
        if case .streamMessage = self { true } else { false }
    }

    fileprivate var isStreamEnding: Bool {
        if case .streamEnded = self { true } else { false }
    }
}

@Suite("What waits to go out along a TCP connection")
struct StreamQueueTests {
    /// Two ends that are joined; the first is never waited for.
    private func pair() throws -> (Int32, Int32) {
        var ends: [Int32] = [0, 0]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        try #require(unsafe socketpair(AF_UNIX, type, 0, &ends) == 0)
        return (ends[0], ends[1])
    }

    private func append(_ queue: inout StreamQueue, _ count: Int, at now: Instant) -> Bool {
        let packet = [UInt8](repeating: 5, count: count)
        return unsafe packet.withUnsafeBytes {
            unsafe queue.append(packet: $0.baseAddress!, count: $0.count, at: now)
        }
    }

    @Test func aBurstMayWaitAndAStandingQueueOnlyALittle() throws {
        let (near, far) = try pair()
        defer {
            close(near)
            close(far)
        }
        var now = Instant(nanoseconds: 1_000_000_000)
        var queue = StreamQueue()
        while append(&queue, 1400, at: now) {}
        let burst = queue.count
        #expect(burst <= StreamQueue.burstLimit && burst > StreamQueue.burstLimit - 1402)
        // Nobody reads: what the kernel takes at once is not all.
        while queue.flush(to: near, at: now) == .drained { while append(&queue, 1400, at: now) {} }
        while append(&queue, 1400, at: now) {}
        now = now + .milliseconds(200)
        let isTooLate = !append(&queue, 1400, at: now)
        #expect(isTooLate)
        var area = [UInt8](repeating: 0, count: 1 << 16)
        while queue.count > StreamQueue.standingLimit - 2000 {
            #expect(unsafe read(far, &area, area.count) > 0)
            _ = queue.flush(to: near, at: now)
        }
        let hasRoomAgain = append(&queue, 1400, at: now)
        #expect(hasRoomAgain)
        while append(&queue, 1400, at: now) {}
        let standing = queue.count
        #expect(standing <= StreamQueue.standingLimit)
        // Messages of IKE have room all the same.
        let message = [UInt8](repeating: 1, count: StreamQueue.messageRoom)
        let isMessageTaken = queue.append(message, at: now)
        #expect(isMessageTaken)
        while queue.flush(to: near, at: now) == .blocked {
            while unsafe read(far, &area, area.count) > 0 {}
        }
        let rest = queue.count
        #expect(rest == 0)
        while queue.count <= StreamQueue.standingLimit {
            guard append(&queue, 1400, at: now) else { break }
        }
        let again = queue.count
        #expect(again > StreamQueue.standingLimit)
        // RFC 9329 §3: a length has 16 bits, and counts itself.
        let isLongestTaken = append(&queue, 65_533, at: now)
        let isLongerTaken = append(&queue, 65_534, at: now)
        #expect(isLongestTaken && !isLongerTaken)
    }

    @Test func octetsLeaveInTheOrderInWhichTheyCame() throws {
        let (near, far) = try pair()
        defer {
            close(near)
            close(far)
        }
        let now = Instant.origin
        var queue = StreamQueue()
        var expected: [UInt8] = []
        var came: [UInt8] = []
        var area = [UInt8](repeating: 0, count: 50_000)
        for round in 0..<400 {
            let size = 1 + round * 37 % 3000
            let octets = [UInt8](repeating: UInt8(round & 255), count: size)
            if round % 3 == 0 {
                if queue.append(octets, at: now) { expected += octets }
            } else {
                let isTaken = unsafe octets.withUnsafeBytes {
                    unsafe queue.append(packet: $0.baseAddress!, count: size, at: now)
                }
                let length = [UInt8((size + 2) >> 8), UInt8((size + 2) & 255)]
                if isTaken { expected += length + octets }
            }
            _ = queue.flush(to: near, at: now)
            guard round % 5 == 0 else { continue }
            let count = unsafe read(far, &area, area.count)
            if count > 0 { came += area[..<count] }
        }
        while came.count < expected.count {
            _ = queue.flush(to: near, at: now)
            let count = unsafe read(far, &area, area.count)
            try #require(count > 0)
            came += area[..<count]
        }
        #expect(came == expected)
        close(far)
        let isLast = append(&queue, 10, at: now)
        let flush = queue.flush(to: near, at: now)
        #expect(isLast && flush == .gone)
    }
}
