import ConnectionControl
import Foundation
import Glibc
import IPsecPrimitives
import LinuxIO
import Management
import Testing

@testable import Gateway

/// Clients of the control socket that do as they like.
@Suite("The control socket")
struct ManagementServerTests {
    /// A server, what it was asked, and a loop that the test turns.
    private final class Bench {
        let loop: EventLoop
        let server: ManagementServer
        let path: String
        var asked: [(token: RequestToken, request: ManagementRequest)] = []
        var gone: [RequestToken] = []

        init() throws {
            path =
                FileManager.default.temporaryDirectory
                .appendingPathComponent("cygnet-\(UUID().uuidString.prefix(8)).sock").path
            loop = try EventLoop()
            server = try ManagementServer(path: path, loop: loop)
            server.onRequest = { [unowned self] in asked.append(($0, $1)) }
            server.onGone = { [unowned self] in gone.append($0) }
            try server.start()
        }

        func turn(_ rounds: Int = 20) throws {
            for _ in 0..<rounds { try loop.runOnce(timeoutMilliseconds: 2) }
        }

        /// Answers what was asked last.
        func answer(_ text: String) throws {
            server.reply(.done(text), to: try #require(asked.last).token)
        }
    }

    private final class Client {
        let number: Int32

        init(_ path: String) throws {
            number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            unsafe withUnsafeMutableBytes(of: &address.sun_path) {
                unsafe $0.copyBytes(from: path.utf8)
            }
            let result = unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            #expect(result == 0)
        }

        deinit { close(number) }

        func send(_ text: String) {
            let bytes = Array(text.utf8)
            let count = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.send(number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            #expect(count == bytes.count)
        }

        /// What has come, without waiting; nil: the server has closed it.
        func received() -> String? {
            var bytes = [UInt8](repeating: 0, count: 65_536)
            let count = unsafe bytes.withUnsafeMutableBytes {
                unsafe recv(number, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT))
            }
            guard count != 0 else { return nil }
            return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
        }
    }

    private let status = "{\"request\":\"status\"}\n"
    private let reload = "{\"request\":\"reload\"}\n"

    @Test("requests in one piece are taken one by one, and answered in their order")
    func pipelined() throws {
        let bench = try Bench()
        let client = try Client(bench.path)
        client.send(status + reload + status)
        try bench.turn()
        #expect(bench.asked.map(\.request) == [.status])
        // What is sent meanwhile waits too, and does not keep the loop busy.
        client.send(reload)
        try bench.turn()
        #expect(bench.asked.map(\.request) == [.status])
        for number in 1...4 {
            #expect(bench.asked.count == number)
            try bench.answer("answer \(number)")
            try bench.turn()
        }
        #expect(bench.asked.map(\.request) == [.status, .reload, .status, .reload])
        #expect(Set(bench.asked.map(\.token)).count == 4)
        let lines = try #require(client.received()).split(separator: "\n")
        #expect(lines.count == 4)
        for (index, line) in lines.enumerated() { #expect(line.contains("answer \(index + 1)")) }
    }

    @Test("many requests in one piece are answered at once, where their answers are known")
    func answeredAtOnce() throws {
        let bench = try Bench()
        bench.server.onRequest = { [unowned bench] token, request in
            bench.asked.append((token, request))
            bench.server.reply(.done("at once"), to: token)
        }
        let client = try Client(bench.path)
        client.send(String(repeating: status, count: 100))
        // The server waits for a client that does not read.
        var answers = 0
        for _ in 0..<5 where answers < 100 {
            try bench.turn(150)
            answers += try #require(client.received()).split(separator: "\n").count
        }
        #expect(bench.asked.count == 100 && answers == 100)
    }

    @Test("what a client asked that was let go is nobody else's")
    func letGo() throws {
        let bench = try Bench()
        var first: Client? = try Client(bench.path)
        first?.send(status + "no request\n" + reload)
        try bench.turn()
        let token = try #require(bench.asked.first).token
        try bench.answer("first")
        try bench.turn()
        #expect(bench.asked.count == 1)
        #expect(first?.received()?.contains("bad-request") == true)
        #expect(first?.received() == nil)
        first = nil
        // Likely by the number of the descriptor that the first had.
        let second = try Client(bench.path)
        second.send(reload)
        try bench.turn()
        bench.server.reply(.done("to nobody"), to: token)
        try bench.turn()
        #expect(second.received() == "")
        try bench.answer("second")
        #expect(second.received()?.contains("second") == true)
    }

    @Test("who sends nothing more is answered all the same, and then let go")
    func halfClosed() throws {
        let bench = try Bench()
        let client = try Client(bench.path)
        client.send(status + reload)
        #expect(shutdown(client.number, Int32(SHUT_WR)) == 0)
        try bench.turn()
        try bench.answer("one")
        try bench.turn()
        try bench.answer("two")
        try bench.turn()
        #expect(bench.asked.count == 2 && bench.gone.isEmpty)
        #expect(client.received()?.split(separator: "\n").count == 2)
        #expect(client.received() == nil)
    }

    @Test("who goes before the answer is missed at once")
    func gone() throws {
        let bench = try Bench()
        var client: Client? = try Client(bench.path)
        client?.send(status + reload)
        try bench.turn()
        client = nil
        #expect(client == nil)
        try bench.turn()
        #expect(bench.gone == bench.asked.map(\.token) && bench.asked.count == 1)
        try bench.answer("to nobody")
    }

    @Test("while an answer is awaited, the loop rests")
    func rests() throws {
        let bench = try Bench()
        let client = try Client(bench.path)
        client.send(status)
        try bench.turn()
        client.send(reload)
        #expect(shutdown(client.number, Int32(SHUT_WR)) == 0)
        let begin = BootClock.now()
        try bench.loop.runOnce(timeoutMilliseconds: 200)
        #expect(BootClock.now() - begin >= .milliseconds(150))
        #expect(bench.asked.count == 1)
    }
}
