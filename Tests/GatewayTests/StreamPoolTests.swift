import DataPlane
import Glibc
import IKEMessages
import IKEProtocol
import IPsecPrimitives
import LinuxIO
import Testing

@testable import Gateway

/// TCP connections over the loopback.
@Suite("Streams", .serialized)
struct StreamPoolTests {
    private let home = IPAddress("127.0.0.1")!

    /// A pool that listens, what it tells, and a loop that the test turns.
    private final class Bench {
        let loop: EventLoop
        let pool: StreamPool
        var messages: [IKEDatagram] = []
        var opened: [StreamEnds] = []
        var failures: [String] = []
        var closed: [StreamEnds] = []
        var used: Set<StreamEnds> = []
        var commands: [StreamCommand] = []
        let port: UInt16

        init(_ port: UInt16, limits: StreamLimits = StreamLimits()) throws {
            self.port = port
            loop = try EventLoop()
            pool = try StreamPool(loop: loop, mark: nil, limits: limits)
            pool.onMessage = { [unowned self] in messages.append($0) }
            pool.onOpened = { [unowned self] in opened.append($1) }
            pool.onFailed = { [unowned self] in failures.append($1) }
            pool.onClosed = { [unowned self] in closed.append($0) }
            pool.onCommand = { [unowned self] in commands.append($0) }
            pool.inUse = { [unowned self] in used }
            let refused = pool.listen(at: [Endpoint(address: IPAddress("127.0.0.1")!, port: port)])
            #expect(refused.isEmpty)
        }

        /// Turns the loop until something holds, or a second or two have passed.
        func turn(until isDone: () -> Bool) throws {
            for _ in 0..<200 where !isDone() { try loop.runOnce(timeoutMilliseconds: 10) }
            #expect(isDone())
        }

        func open(_ number: UInt64 = 1, to port: UInt16? = nil) {
            pool.open(
                StreamAttempt(rawValue: number),
                from: IPAddress.unspecified(.v4),
                to: Endpoint(address: IPAddress("127.0.0.1")!, port: port ?? self.port)
            )
        }
    }

    private func connect(_ port: UInt16) throws -> TCPConnection {
        try TCPConnection(
            openingTo: Endpoint(address: home, port: port),
            from: home,
            mark: nil
        )
    }

    @Test("a message goes there and back along one connection, with the prefix once and in front")
    func roundTrip() throws {
        let bench = try Bench(47_101)
        bench.open()
        try bench.turn { !bench.opened.isEmpty }
        let ends = try #require(bench.opened.first)
        #expect(ends.local.port != 0 && ends.remote.port == 47_101)
        let sent = Array(repeating: UInt8(7), count: 40_000)
        bench.pool.send(
            IKEDatagram(bytes: sent, local: ends.local, remote: ends.remote, transport: .tcp)
        )
        try bench.turn { !bench.messages.isEmpty }
        let came = try #require(bench.messages.first)
        #expect(came.bytes == sent && came.transport == .tcp)
        #expect(came.local == ends.remote && came.remote == ends.local)
        bench.pool.send(
            IKEDatagram(
                bytes: [1, 2, 3],
                local: came.local,
                remote: came.remote,
                transport: .tcp
            )
        )
        try bench.turn { bench.messages.count == 2 }
        #expect(bench.messages.last?.bytes == [1, 2, 3])
        bench.pool.close(ends)
        try bench.turn { bench.closed.count == 1 }
        #expect(bench.closed == [StreamEnds(local: ends.remote, remote: ends.local)])
        #expect(bench.pool.count == 0 && bench.pool.incoming == 0)
    }

    @Test("where nobody listens, the reason is told")
    func refused() throws {
        let bench = try Bench(47_102)
        bench.open(to: 47_999)
        try bench.turn { !bench.failures.isEmpty }
        #expect(bench.failures.first?.lowercased().contains("refused") == true)
        #expect(bench.pool.count == 0)
    }

    @Test("an attempt that is given up tells nothing more")
    func abandoned() throws {
        let bench = try Bench(47_103)
        bench.open()
        bench.pool.abandon(StreamAttempt(rawValue: 1))
        for _ in 0..<20 { try bench.loop.runOnce(timeoutMilliseconds: 5) }
        #expect(bench.opened.isEmpty && bench.failures.isEmpty)
    }

    @Test(
        "another prefix, and lengths that cannot be, end a connection at once",
        arguments: [
            Array("GET / HTTP/1.1\r\n".utf8), StreamFraming.prefix + [0, 0],
            StreamFraming.prefix + [0, 1],
        ]
    )
    func outOfStep(octets: [UInt8]) throws {
        let bench = try Bench(47_104)
        let stranger = try connect(47_104)
        try bench.turn { bench.pool.incoming == 1 }
        _ = stranger.write(octets[...])
        try bench.turn { bench.pool.incoming == 0 }
        #expect(bench.pool.counters.faults == 1 && bench.messages.isEmpty)
    }

    @Test("empty messages, keepalives and ESP of nobody are passed over")
    func harmless() throws {
        let bench = try Bench(47_105)
        let stranger = try connect(47_105)
        let esp: [UInt8] = [0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
        let message = try #require(StreamFraming.frame(message: Array(repeating: 9, count: 28)))
        try bench.turn { bench.pool.incoming == 1 }
        _ = stranger.write((StreamFraming.prefix + [0, 2, 0, 3, 0xFF] + esp + message)[...])
        try bench.turn { bench.messages.count == 1 }
        #expect(bench.pool.incoming == 1 && bench.pool.counters.packetsDropped == 1)
    }

    @Test("connections are bounded in all and by source, and end when no IKE SA goes by them")
    func bounds() throws {
        var limits = StreamLimits()
        limits.streamsPerSource = 5
        limits.idlePatience = .milliseconds(300)
        limits.sweepInterval = .milliseconds(50)
        let bench = try Bench(47_106, limits: limits)
        let strangers = try (0..<20).map { _ in try connect(47_106) }
        try bench.turn { bench.pool.counters.refused == 15 }
        #expect(bench.pool.incoming == 5)
        // One of them has an IKE SA; half a frame does not help the others.
        for stranger in strangers {
            _ = stranger.write((StreamFraming.prefix + [0xFF, 0xFF, 0])[...])
        }
        let kept = try #require(strangers.first)
        bench.used = [StreamEnds(local: kept.remote, remote: kept.local)]
        try bench.turn { bench.pool.incoming == 1 }
        #expect(bench.pool.counters.idle == 4)
    }

    @Test("a connection whose other end does not read is ended before much waits for it")
    func slowReader() throws {
        var limits = StreamLimits()
        limits.pendingOctets = 100_000
        let bench = try Bench(47_107, limits: limits)
        let stranger = try connect(47_107)
        try bench.turn { bench.pool.incoming == 1 }
        let message = IKEDatagram(
            bytes: Array(repeating: 0, count: 60_000),
            local: stranger.remote,
            remote: stranger.local,
            transport: .tcp
        )
        for _ in 0..<400 where bench.closed.isEmpty { bench.pool.send(message) }
        #expect(bench.closed.count == 1 && bench.pool.counters.slowReaders == 1)
    }

    @Test("the packet path takes a connection over in the middle, and IKE goes through it")
    func carried() throws {
        let bench = try Bench(47_109)
        let stranger = try connect(47_109)
        try bench.turn { bench.pool.incoming == 1 }
        let ends = StreamEnds(local: stranger.remote, remote: stranger.local)
        // The first message makes it the packet path's; what is behind it is not read here.
        bench.pool.onMessage = { [unowned bench] in
            bench.messages.append($0)
            bench.pool.carry(ends)
            bench.pool.carry(ends)
        }
        let message = try #require(StreamFraming.frame(message: Array(repeating: 9, count: 28)))
        let esp: [UInt8] = [0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
        _ = stranger.write((StreamFraming.prefix + message + esp + message + [0])[...])
        try bench.turn { !bench.commands.isEmpty }
        guard bench.commands.count == 1, case .adopt(let parcel) = bench.commands[0] else {
            Issue.record("not adopted but \(bench.commands)")
            return
        }
        #expect(bench.messages.count == 1 && parcel.received == esp + message + [0])
        #expect(parcel.unsent.isEmpty && parcel.connection.remote == stranger.local)
        _ = stranger.write([1, 2, 3])
        for _ in 0..<5 { try bench.loop.runOnce(timeoutMilliseconds: 5) }
        #expect(bench.messages.count == 1)

        bench.pool.received([4, 5], along: parcel.number)
        #expect(bench.messages.last?.bytes == [4, 5])
        #expect(bench.messages.last?.remote == ends.remote)
        bench.pool.send(
            IKEDatagram(bytes: [6], local: ends.local, remote: ends.remote, transport: .tcp)
        )
        guard case .send([0, 7, 0, 0, 0, 0, 6], parcel.number)? = bench.commands.last else {
            Issue.record("not sent but \(bench.commands)")
            return
        }
        bench.pool.ended(parcel.number, .outOfStep)
        #expect(bench.closed == [ends] && bench.pool.incoming == 0)
        #expect(bench.pool.counters.outOfStep == 1 && bench.commands.count == 2)
        bench.pool.ended(parcel.number, .closed)
        bench.pool.received([4, 5], along: parcel.number)
        #expect(bench.closed.count == 1 && bench.messages.count == 2)
    }

    @Test("a carried connection that is to be closed gets a little time, and ends then")
    func carriedAndClosed() throws {
        var limits = StreamLimits()
        limits.closingPatience = .milliseconds(100)
        limits.sweepInterval = .milliseconds(50)
        let bench = try Bench(47_110, limits: limits)
        let stranger = try connect(47_110)
        try bench.turn { bench.pool.incoming == 1 }
        let ends = StreamEnds(local: stranger.remote, remote: stranger.local)
        bench.pool.carry(ends)
        bench.pool.close(ends)
        guard case .close(let number)? = bench.commands.last else {
            Issue.record("not closed but \(bench.commands)")
            return
        }
        try bench.turn { bench.pool.count == 0 }
        guard case .drop(number)? = bench.commands.last else {
            Issue.record("not dropped but \(bench.commands)")
            return
        }
        #expect(bench.closed.isEmpty)
    }

    @Test("listening ends where it is not wanted any more")
    func unlisten() throws {
        let bench = try Bench(47_108)
        #expect(bench.pool.listen(at: []).isEmpty)
        bench.open()
        try bench.turn { !bench.failures.isEmpty }
        #expect(bench.opened.isEmpty)
    }
}
