import ConnectionControl
import IKEProtocol
import IPsecPrimitives
import PacketProtection
import Testing

@Suite("New keys by hand")
struct RekeyRequestTests {
    @Test("a tunnel's keys")
    func child() throws {
        let network = try Network(start: "by-hand", tunnels: ["net", "lab"])
        network.start()
        _ = network.bringUp(nil, at: network.left)
        let before = (
            network.left.outboundInUse("net")?.spi, network.left.outboundInUse("lab")?.spi
        )
        let request = network.rekey(.childSAs(tunnel: "net"), at: network.left)
        #expect(network.left.outcomes[request] == .done("the keys of site/net are new"))
        #expect(network.left.progress[request]?.isEmpty == false)
        #expect(network.left.outboundInUse("net")?.spi != before.0)
        #expect(network.left.outboundInUse("lab")?.spi == before.1)
        #expect(network.passes("net") && network.passes("lab"))
    }

    @Test("all tunnels' keys, whoever asks")
    func children() throws {
        let network = try Network(start: "by-hand", tunnels: ["net", "lab"])
        network.start()
        _ = network.bringUp(nil, at: network.left)
        let before = ["net", "lab"].map { network.left.outboundInUse($0)?.spi }
        let request = network.rekey(.childSAs(tunnel: nil), at: network.right)
        #expect(network.right.outcomes[request] == .done("2 Child SAs of site are new"))
        let after = ["net", "lab"].map { network.left.outboundInUse($0)?.spi }
        #expect(zip(before, after).allSatisfy { $0 != $1 })
        #expect(network.passes("net") && network.passes("lab"))
    }

    @Test("the IKE SA's keys; the tunnels keep theirs")
    func ikeSA() throws {
        let network = try Network(start: "by-hand")
        network.start()
        _ = network.bringUp(at: network.left)
        let before = network.left.outboundInUse("net")?.spi
        let ikeSA = network.left.controller.engineStatus(at: network.now).ikeSAs.map(\.initiatorSPI)
        let request = network.rekey(.ikeSA, at: network.left)
        #expect(network.left.outcomes[request] == .done("the IKE SA of site is new"))
        #expect(
            network.left.controller.engineStatus(at: network.now).ikeSAs.map(\.initiatorSPI)
                != ikeSA
        )
        #expect(network.left.outboundInUse("net")?.spi == before && network.passes())
    }

    @Test("both ends at once, and again before the answer")
    func crossing() throws {
        let network = try Network(start: "by-hand")
        network.start()
        _ = network.bringUp(at: network.left)
        network.isConnected = false
        let requests = (0..<2).map { _ in network.rekey(.childSAs(tunnel: "net"), at: network.left)
        }
        let theirs = network.rekey(.childSAs(tunnel: nil), at: network.right)
        #expect(requests.allSatisfy { network.left.outcomes[$0] == nil })
        network.isConnected = true
        network.advance(by: .seconds(30))
        for request in requests {
            #expect(network.left.outcomes[request] == .done("the keys of site/net are new"))
        }
        #expect(network.right.outcomes[theirs] == .done("the keys of site are new"))
        #expect(network.passes())
        network.advance(by: .seconds(60))
        #expect(network.left.inbound.count == 1 && network.right.inbound.count == 1)
    }

    @Test("nothing to replace")
    func nothing() throws {
        let network = try Network(start: "by-hand")
        network.start()
        for what in [KeySubject.childSAs(tunnel: "net"), .childSAs(tunnel: nil), .ikeSA] {
            let request = network.rekey(what, at: network.left)
            guard case .failed(let failure)? = network.left.outcomes[request] else {
                Issue.record("\(what): \(String(describing: network.left.outcomes[request]))")
                continue
            }
            #expect(failure.explanation.contains("not up"))
        }
    }

    @Test("the peer falls silent, or the tunnel is ended meanwhile")
    func failures() throws {
        for isEnded in [false, true] {
            let network = try Network(start: "by-hand")
            network.start()
            _ = network.bringUp(at: network.left)
            network.isConnected = false
            let requests = [
                network.rekey(.childSAs(tunnel: "net"), at: network.left),
                network.rekey(.ikeSA, at: network.left),
            ]
            if isEnded { _ = network.takeDown(nil, at: network.left) }
            network.advance(by: .seconds(600))
            for request in requests {
                guard case .failed? = network.left.outcomes[request] else {
                    Issue.record("\(String(describing: network.left.outcomes[request]))")
                    continue
                }
            }
        }
    }

    @Test("a client that goes away is forgotten")
    func gone() throws {
        let network = try Network(start: "by-hand")
        network.start()
        _ = network.bringUp(at: network.left)
        network.isConnected = false
        let request = network.rekey(.childSAs(tunnel: "net"), at: network.left)
        network.left.controller.forget(request)
        network.isConnected = true
        network.advance(by: .seconds(30))
        #expect(network.left.outcomes[request] == nil && network.passes())
    }
}
