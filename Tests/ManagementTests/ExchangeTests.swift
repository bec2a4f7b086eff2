import Management
import Testing

@Suite("A client and a gateway")
struct ExchangeTests {
    private let up = ManagementRequest.up(connection: "branch", tunnel: "net")

    @Test func progressComesBeforeTheOutcome() throws {
        let gateway = try FakeGateway()
        let stream =
            ManagementCodec.encode(.progress("one")) + ManagementCodec.encode(.progress("two"))
            + ManagementCodec.encode(.done("up"))
        // Cut where a line has just begun, and in the middle of one.
        gateway.answer(with: [Array(stream[..<40]), Array(stream[40...])])
        var progress: [String] = []
        let reply = try ManagementClient(path: gateway.path).perform(up) { progress.append($0) }
        #expect(reply == .done("up"))
        #expect(progress == ["one", "two"])
        #expect(gateway.request == ManagementCodec.encode(up))
    }

    @Test func aFailureComesWhole() throws {
        let gateway = try FakeGateway()
        gateway.answer(with: [ManagementCodec.encode(.failed(SampleStatus.failure))])
        let reply = try ManagementClient(path: gateway.path).perform(up)
        #expect(reply == .failed(SampleStatus.failure))
    }

    @Test func theStatusComesWhole() throws {
        let gateway = try FakeGateway()
        gateway.answer(with: [ManagementCodec.encode(.status(SampleStatus.whole))])
        #expect(try ManagementClient(path: gateway.path).status() == SampleStatus.whole)
        #expect(gateway.request == ManagementCodec.encode(.status))
    }

    @Test func aGatewayThatGoesAwayIsTold() throws {
        let gateway = try FakeGateway()
        gateway.answer(with: [ManagementCodec.encode(.progress("one"))])
        #expect(throws: ManagementError.closedEarly) {
            try ManagementClient(path: gateway.path).perform(up)
        }
    }

    @Test func garbageIsTold() throws {
        let gateway = try FakeGateway()
        gateway.answer(with: [Array("hello\n".utf8)])
        #expect(throws: ManagementError.self) {
            try ManagementClient(path: gateway.path).status()
        }
    }
}
