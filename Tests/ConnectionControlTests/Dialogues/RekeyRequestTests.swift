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

    /// The peer takes no more than one tunnel in an IKE SA.
    private func apart() throws -> Network {
        let network = try Network(start: "by-hand", tunnels: ["net", "lab"])
        var settings = EngineSettings()
        settings.childLimit = 1
        network.right.controller.adopt(settings)
        network.start()
        _ = network.bringUp(nil, at: network.left)
        #expect(ikeSAs(network).count == 2)
        return network
    }

    private func ikeSAs(_ network: Network) -> Set<IKESPI> {
        Set(network.left.controller.engineStatus(at: network.now).ikeSAs.map(\.initiatorSPI))
    }

    @Test("of two IKE SAs, each has to be new")
    func twoIKESAs() throws {
        let network = try apart()
        let before = ikeSAs(network)
        let slow = try #require(before.min { $0.rawValue < $1.rawValue })
        // The other one is replaced twice before this one is.
        network.passes = { datagram in
            datagram.bytes[0..<8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) } != slow.rawValue
        }
        let request = network.rekey(.ikeSA, at: network.left)
        network.advance(by: .seconds(5))
        #expect(network.left.outcomes[request] == nil)
        _ = network.rekey(.ikeSA, at: network.left)
        network.advance(by: .seconds(5))
        #expect(network.left.outcomes[request] == nil)
        network.passes = { _ in true }
        network.advance(by: .seconds(60))
        #expect(network.left.outcomes[request] == .done("2 IKE SAs of site are new"))
        #expect(ikeSAs(network).isDisjoint(with: before))
    }

    @Test("one of two IKE SAs ends before it is new")
    func oneEnds() throws {
        let network = try apart()
        let before = ikeSAs(network)
        // One of them finds its peer silent, and the other does not.
        let silent = try #require(before.min { $0.rawValue < $1.rawValue })
        network.passes = { datagram in
            datagram.bytes[0..<8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) } != silent.rawValue
        }
        let request = network.rekey(.ikeSA, at: network.left)
        network.advance(by: .seconds(600))
        guard case .failed(let failure)? = network.left.outcomes[request] else {
            Issue.record("\(String(describing: network.left.outcomes[request]))")
            return
        }
        #expect(failure.explanation.contains("ended before its keys were replaced"))
    }

    @Test("an IKE SA that the peer does not replace: a tunnel that is being made in it comes up")
    func refusedBesideBeginning() throws {
        let network = try Network(
            start: "by-hand",
            connectionLines: "ike-proposals: aes256gcm16-prfsha384-ecp384",
            tunnels: ["net", "lab"]
        )
        network.start()
        _ = network.bringUp("net", at: network.right)
        try network.reload(network.right, settle: false) {
            $0.replacing("aes256gcm16-prfsha384-ecp384", with: "aes128gcm16-prfsha256-x25519")
        }
        #expect(!network.right.outbox.isEmpty)
        let request = network.bringUp("lab", at: network.right)
        let failures = network.right.reports.compactMap { report -> String? in
            guard case .initiationFailed(let failure) = report.event else { return nil }
            return failure.explanation
        }
        #expect(failures.count == 1)
        #expect(failures.first?.contains("depends on it: net.") == true)
        network.advance(by: .seconds(10))
        #expect(network.right.outcomes[request] == .done("site/lab is up"))
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
