import ConnectionControl
import IKEProtocol
import IPsecPrimitives
import Testing

@Suite("From UDP to TCP")
struct TransportTests {
    private let lines = """
        retransmission: {initial: 500ms, factor: 1, tries: 4}
            transport: auto
            udp-retry: 100s
        """

    private func begin() throws -> Network {
        let network = try Network(
            start: "by-hand",
            rightStart: "by-hand",
            connectionLines: lines,
            leftPeer: "192.0.2.77"
        )
        network.start()
        return network
    }

    @Test("an address that is silent by UDP is called by TCP, and only then is the search over")
    func fallback() throws {
        let network = try begin()
        let up = network.bringUp(at: network.left)
        #expect(network.left.openings.isEmpty)
        network.advance(by: .milliseconds(2500))
        let opening = try #require(network.left.openings.first)
        #expect(opening.remote == Endpoint(address: IPAddress("192.0.2.77")!, port: 4500))
        #expect(network.left.outcomes[up] == nil)
        network.left.handle(.streamFailed(opening.attempt, "refused"), at: network.now)
        guard case .failed(let failure)? = network.left.outcomes[up] else {
            Issue.record("the request has not failed")
            return
        }
        #expect(failure.explanation.contains("TCP") && failure.remedy.contains("4500"))
    }

    @Test("all tunnels that wait go on by TCP, and none has failed")
    func fallbackOfSeveral() throws {
        let network = try Network(
            start: "by-hand",
            rightStart: "by-hand",
            connectionLines: lines,
            leftPeer: "192.0.2.77",
            tunnels: ["net", "lab", "office"]
        )
        network.start()
        let up = network.bringUp(nil, at: network.left)
        network.advance(by: .milliseconds(2500))
        #expect(network.left.openings.count == 1)
        #expect(network.left.outcomes[up] == nil)
    }

    @Test("both have failed: the next time UDP goes first again")
    func afterBoth() throws {
        let network = try begin()
        _ = network.bringUp(at: network.left)
        network.advance(by: .milliseconds(2500))
        let opening = try #require(network.left.openings.first)
        network.left.handle(.streamFailed(opening.attempt, "refused"), at: network.now)
        _ = network.bringUp(at: network.left)
        #expect(network.left.openings.count == 1)
        network.advance(by: .milliseconds(2500))
        #expect(network.left.openings.count == 2)
    }

    @Test("while UDP is known to be blocked, TCP goes at once; other addresses are another network")
    func knowledge() throws {
        let network = try begin()
        _ = network.bringUp(at: network.left)
        network.advance(by: .milliseconds(2500))
        #expect(network.left.openings.count == 1)
        _ = network.takeDown(nil, at: network.left)
        _ = network.bringUp(at: network.left)
        #expect(network.left.openings.count == 2)
        _ = network.takeDown(nil, at: network.left)
        network.left.handle(
            .localAddressesChanged([IPAddress("198.51.100.5")!]),
            at: network.now
        )
        _ = network.bringUp(at: network.left)
        #expect(network.left.openings.count == 2)
        network.advance(by: .milliseconds(2500))
        #expect(network.left.openings.count == 3)
        _ = network.takeDown(nil, at: network.left)
        // What was known has become old.
        network.advance(by: .seconds(110))
        _ = network.bringUp(at: network.left)
        #expect(network.left.openings.count == 3)
    }
}
