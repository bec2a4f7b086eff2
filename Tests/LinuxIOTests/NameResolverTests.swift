import Foundation
import Glibc
import IPsecPrimitives
import NamespaceTesting
import Testing

@testable import LinuxIO

/// A name server on loopback that answers each question from a table.
private final class NameServer {
    struct Answer {
        var v4: [[UInt8]] = []
        var v6: [[UInt8]] = []
        var seconds: UInt32 = 300
    }

    let socket: UDPSocket
    let loop: EventLoop
    var answers: [String: Answer] = [:]
    private(set) var questions: [String] = []

    init(loop: EventLoop, address: String = "127.0.0.1", port: UInt16 = 0) throws {
        self.loop = loop
        socket = try UDPSocket(
            bindingTo: Endpoint(address: IPAddress(address)!, port: port),
            options: UDPSocket.Options(mark: nil)
        )
        try loop.add(socket.number) { [unowned self] _ in
            while let datagram = socket.receive() {
                guard let reply = answer(to: datagram.bytes) else { continue }
                try? socket.send(reply, from: datagram.local.address, to: datagram.remote)
            }
        }
    }

    var place: String { "127.0.0.1:\(socket.local.port)" }

    /// RFC 1035 §4.1: header, the question again, and records that point at its name.
    private func answer(to query: [UInt8]) -> [UInt8]? {
        guard query.count > 17 else { return nil }
        var labels: [String] = []
        var index = 12
        while index < query.count, query[index] > 0 {
            let end = index + 1 + Int(query[index])
            labels.append(String(decoding: query[(index + 1)..<end], as: UTF8.self))
            index = end
        }
        let name = labels.joined(separator: ".")
        let type = query[index + 2]
        questions.append(name)
        let known = answers[name]
        let records = type == 28 ? known?.v6 ?? [] : known?.v4 ?? []
        var reply = Array(query[0..<2])
        reply += [0x81, known == nil ? 0x83 : 0x80, 0, 1, 0, UInt8(records.count), 0, 0, 0, 0]
        reply += query[12..<(index + 5)]
        for record in records {
            reply += [0xC0, 12, 0, type, 0, 1]
            for shift in [24, 16, 8, 0] {
                reply.append(UInt8(truncatingIfNeeded: (known?.seconds ?? 0) >> UInt32(shift)))
            }
            reply += [0, UInt8(record.count)] + record
        }
        return reply
    }
}

@Suite("Looking up host names")
struct NameResolverTests {
    private func answers(
        of names: [String],
        _ table: [String: NameServer.Answer]
    ) throws -> [String: NameResolver.Answer] {
        let loop = try EventLoop()
        let server = try NameServer(loop: loop)
        server.answers = table
        let resolver = try NameResolver(loop: loop, mark: nil, servers: server.place)
        var found: [String: NameResolver.Answer] = [:]
        for name in names { resolver.resolve(name) { found[name] = $0 } }
        var rounds = 0
        while found.count < names.count, rounds < 500 {
            try loop.runOnce(timeoutMilliseconds: 20)
            rounds += 1
        }
        return found
    }

    @Test func tellsAddressesAndHowLongTheyHold() throws {
        let found = try answers(
            of: ["gate.cygnet.test", "six.cygnet.test", "nobody.cygnet.test"],
            [
                "gate.cygnet.test": .init(v4: [[192, 0, 2, 1], [192, 0, 2, 2]], seconds: 42),
                "six.cygnet.test": .init(
                    v6: [[0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [7]]
                ),
            ]
        )
        let gate = try #require(found["gate.cygnet.test"])
        #expect(Set(gate.addresses.map(\.description)) == ["192.0.2.1", "192.0.2.2"])
        #expect(gate.lifetime == .seconds(42))
        #expect(found["six.cygnet.test"]?.addresses == [IPAddress("2001:db8::7")!])
        #expect(found["six.cygnet.test"]?.lifetime == .seconds(300))
        #expect(found["nobody.cygnet.test"] == .init(addresses: [], lifetime: nil))
    }

    @Test func asksAnewAfterAFailureAlsoFromWithinAnAnswer() throws {
        let loop = try EventLoop()
        let server = try NameServer(loop: loop)
        let resolver = try NameResolver(loop: loop, mark: nil, servers: server.place)
        var second: NameResolver.Answer?
        resolver.resolve("late.cygnet.test") { first in
            #expect(first.addresses.isEmpty)
            server.answers["late.cygnet.test"] = .init(v4: [[192, 0, 2, 9]])
            resolver.resolve("late.cygnet.test") { _ in
                resolver.resolve("late.cygnet.test") { second = $0 }
            }
        }
        var rounds = 0
        while second == nil, rounds < 500 {
            try loop.runOnce(timeoutMilliseconds: 20)
            rounds += 1
        }
        #expect(second?.addresses == [IPAddress("192.0.2.9")!])
    }

    @Test func aServerThatIsSilentIsGivenUpInTime() throws {
        let loop = try EventLoop()
        // Bound, and never read.
        let silent = try UDPSocket(
            bindingTo: Endpoint(address: IPAddress("127.0.0.1")!, port: 0),
            options: UDPSocket.Options(mark: nil)
        )
        let resolver = try NameResolver(
            loop: loop,
            mark: nil,
            servers: "127.0.0.1:\(silent.local.port)"
        )
        var answer: NameResolver.Answer?
        let begin = BootClock.now()
        resolver.resolve("gate.cygnet.test") { answer = $0 }
        while answer == nil, BootClock.now() - begin < .seconds(30) {
            try loop.runOnce(timeoutMilliseconds: 100)
        }
        #expect(answer == .init(addresses: [], lifetime: nil))
    }
}

/// With servers at the port that resolv.conf cannot name another than.
@Suite("Name servers that change", .enabled(if: NetworkNamespace.isAvailable))
struct NameServerChangeTests {
    private let file = FileManager.default.temporaryDirectory
        .appendingPathComponent("cygnet-\(UUID().uuidString.prefix(8))").path

    /// As DHCP does it: the file is another when the network is.
    private static func name(_ address: String, in file: String) throws {
        try "nameserver \(address)\n".write(toFile: file, atomically: true, encoding: .utf8)
    }

    @Test func thoseOfTodayAreAsked() throws {
        let namespace = try NetworkNamespace("dns")
        defer { try? FileManager.default.removeItem(atPath: file) }
        let found = try namespace.perform { [file] () -> [[String: [String]]] in
            let loop = try EventLoop()
            let silent = try UDPSocket(
                bindingTo: Endpoint(address: IPAddress("127.0.0.2")!, port: 53),
                options: UDPSocket.Options(mark: nil)
            )
            let server = try NameServer(loop: loop, address: "127.0.0.3", port: 53)
            server.answers = [
                "one.cygnet.test": .init(v4: [[192, 0, 2, 1]]),
                "two.cygnet.test": .init(v4: [[192, 0, 2, 2]]),
            ]
            try Self.name("127.0.0.2", in: file)
            let resolver = try NameResolver(loop: loop, mark: nil, file: file)
            var found: [String: [String]] = [:]
            func ask(_ name: String) {
                resolver.resolve(name) { answer in
                    found[name, default: []] += answer.addresses.map(\.description)
                }
            }
            func turn(until count: Int) throws {
                for _ in 0..<50 where found.count < count {
                    try loop.runOnce(timeoutMilliseconds: 10)
                }
            }
            var results: [[String: [String]]] = []
            ask("one.cygnet.test")
            try turn(until: 1)
            results.append(found)
            // What is not answered yet is asked again there, and answered once.
            try Self.name("127.0.0.3", in: file)
            ask("two.cygnet.test")
            try turn(until: 2)
            results.append(found)
            // Without another question too, when somebody hears of the network.
            try Self.name("127.0.0.2", in: file)
            found = [:]
            ask("one.cygnet.test")
            try Self.name("127.0.0.3", in: file)
            resolver.followServers()
            try turn(until: 1)
            results.append(found)
            return withExtendedLifetime(silent) { results }
        }
        let (one, two) = (["one.cygnet.test": ["192.0.2.1"]], ["two.cygnet.test": ["192.0.2.2"]])
        #expect(found == [[:], one.merging(two) { $1 }, one])
    }

    @Test func aQuestionThatFailsGoesToThoseThatCameMeanwhile() throws {
        let namespace = try NetworkNamespace("dns")
        defer { try? FileManager.default.removeItem(atPath: file) }
        let (answers, questions) = try namespace.perform {
            [file] () -> ([NameResolver.Answer], [String]) in
            let loop = try EventLoop()
            let old = try NameServer(loop: loop, address: "127.0.0.2", port: 53)
            let new = try NameServer(loop: loop, address: "127.0.0.3", port: 53)
            new.answers = ["gate.cygnet.test": .init(v4: [[192, 0, 2, 1]])]
            try Self.name("127.0.0.2", in: file)
            let resolver = try NameResolver(loop: loop, mark: nil, file: file)
            var answers: [NameResolver.Answer] = []
            resolver.resolve("gate.cygnet.test") { answers.append($0) }
            try Self.name("127.0.0.3", in: file)
            for _ in 0..<200 where answers.isEmpty { try loop.runOnce(timeoutMilliseconds: 10) }
            return (answers, old.questions)
        }
        #expect(answers.map(\.addresses) == [[IPAddress("192.0.2.1")!]])
        #expect(questions.contains("gate.cygnet.test"))
    }
}
