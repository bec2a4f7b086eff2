import IKEMessages
import IKEProtocol
import IPsecCrypto
import IPsecPrimitives
import Testing

@Suite("What Child SAs are besides")
struct ChildTraitsTests {
    /// Transport mode between the two gateways, of which the peer may be anywhere.
    private func transport(_ policy: inout ChildPolicy) {
        policy.mode = .transport
        policy.localSelectors = [.everything(.v4)]
        policy.remoteSelectors = [.everything(.v4)]
    }

    @Test("transport mode carries what the two gateways send each other")
    func transportMode() {
        var setup = Setup()
        setup.adjustChild = transport
        let dialogue = Dialogue(setup)
        dialogue.initiate()
        #expect(dialogue.agree())
        let child = dialogue.left.activeChild("net")
        #expect(child?.mode == .transport && child?.original == nil)
        #expect(child?.localSelectors == Setup.selectors("192.0.2.1/32"))
        #expect(child?.remoteSelectors == Setup.selectors("192.0.2.2/32"))
        #expect(dialogue.right.activeChild("net")?.mode == .transport)
        #expect(dialogue.left.failures.isEmpty && dialogue.right.failures.isEmpty)
    }

    @Test("transport mode stays transport mode when it is rekeyed")
    func transportRekeyed() {
        var setup = Setup()
        setup.adjustChild = transport
        setup.childLifetime = SALifetime(rekeyAfter: .seconds(100), jitterPercent: 0)
        let dialogue = Dialogue(setup)
        dialogue.initiate()
        dialogue.advance(by: .seconds(250))
        #expect(dialogue.agree())
        #expect(dialogue.left.installed.values.allSatisfy { $0.mode == .transport })
        #expect(dialogue.left.installed.count >= 2)
    }

    @Test("a peer whose NAT moves to where the policy does not have it gets no successor there")
    func transportMovedOutside() throws {
        let named = Setup.selectors("198.51.100.1/32")
        var left = Setup()
        left.localAddress = "10.0.0.1"
        left.adjustChild = transport
        var right = Setup().mirrored
        right.remoteAddress = "198.51.100.1"
        right.adjustChild = { policy in
            policy.mode = .transport
            policy.localSelectors = Setup.selectors("192.0.2.2/32")
            policy.remoteSelectors = named
        }
        let dialogue = Dialogue(left, right)
        let inner = try #require(IPAddress("10.0.0.1"))
        var outer = try #require(IPAddress("198.51.100.1"))
        dialogue.link = { datagram in
            var datagram = datagram
            if datagram.local.address == inner { datagram.local.address = outer }
            if datagram.remote.address == outer { datagram.remote.address = inner }
            return [datagram]
        }
        dialogue.initiate()
        #expect(dialogue.left.activeChild("net")?.mode == .transport)
        let spi = try #require(dialogue.right.present.first)
        outer = try #require(IPAddress("198.51.100.9"))
        let there = Endpoint(address: outer, port: 4500)
        dialogue.handle(.peerEndpointChanged(inboundSPI: spi, remote: there), at: dialogue.right)
        #expect(dialogue.right.packetPath?.remote == there)
        dialogue.handle(.childLifetimeReached(inboundSPI: spi, limit: .soft), at: dialogue.right)
        dialogue.settle()
        #expect(dialogue.right.failures.map(\.subject) == [.trafficSelectors])
        #expect(dialogue.right.installed.values.allSatisfy { $0.remoteSelectors == named })
    }

    /// RFC 7296 §2.23.1: both ends see the addresses of their own side, and keep what the other
    /// wrote for the checksums.
    @Test("two NATs between the ends change the addresses of transport mode")
    func transportThroughNATs() {
        var left = Setup()
        left.localAddress = "10.0.0.1"
        left.remoteAddress = "203.0.113.2"
        left.adjustChild = transport
        var right = Setup().mirrored
        right.localAddress = "192.168.0.2"
        right.remoteAddress = "198.51.100.1"
        right.adjustChild = transport
        let dialogue = Dialogue(left, right)
        let (inner, outer) = (IPAddress("10.0.0.1")!, IPAddress("198.51.100.1")!)
        let (server, shown) = (IPAddress("192.168.0.2")!, IPAddress("203.0.113.2")!)
        dialogue.link = { datagram in
            var datagram = datagram
            if datagram.local.address == inner { datagram.local.address = outer }
            if datagram.remote.address == shown { datagram.remote.address = server }
            if datagram.local.address == server { datagram.local.address = shown }
            if datagram.remote.address == outer { datagram.remote.address = inner }
            return [datagram]
        }
        dialogue.initiate()
        let (near, far) = (dialogue.left.activeChild("net"), dialogue.right.activeChild("net"))
        #expect(near?.mode == .transport && far?.mode == .transport)
        #expect(near?.path.isEncapsulated == true)
        #expect(near?.localSelectors == Setup.selectors("10.0.0.1/32"))
        #expect(near?.remoteSelectors == Setup.selectors("203.0.113.2/32"))
        #expect(far?.localSelectors == Setup.selectors("192.168.0.2/32"))
        #expect(far?.remoteSelectors == Setup.selectors("198.51.100.1/32"))
        #expect(near?.original == OriginalAddresses(local: outer, remote: server))
        #expect(far?.original == OriginalAddresses(local: shown, remote: inner))
        #expect(dialogue.left.failures.isEmpty && dialogue.right.failures.isEmpty)
    }

    @Test("a peer that answers with tunnel mode loses the child again")
    func tunnelAnswered() {
        var left = Setup()
        left.adjustChild = transport
        var right = Setup().mirrored
        right.children = ["net": ("192.0.2.2/32", "192.0.2.1/32")]
        let dialogue = Dialogue(left, right)
        dialogue.initiate()
        #expect(dialogue.left.failures.map(\.subject) == [.childMode])
        #expect(dialogue.left.present.isEmpty && dialogue.right.present.isEmpty)
    }

    @Test("a peer that asks for tunnel mode hears why not, in our report")
    func tunnelAsked() {
        var left = Setup()
        left.children = ["net": ("192.0.2.1/32", "192.0.2.2/32")]
        var right = Setup().mirrored
        right.adjustChild = transport
        let dialogue = Dialogue(left, right)
        dialogue.initiate()
        #expect(dialogue.right.failures.map(\.subject) == [.childMode])
        #expect(dialogue.left.failures.map(\.subject) == [.trafficSelectors])
        #expect(dialogue.left.failures.first?.explanation.contains("tunnel mode") == true)
        #expect(dialogue.left.present.isEmpty)
    }

    private func authenticationHeader(_ words: [Transform]) -> (inout ChildPolicy) -> Void {
        { policy in
            policy.proposals = [
                ConfiguredProposal(
                    Proposal(securityProtocol: .ah, transforms: words),
                    source: "a.yaml:1"
                )
            ]
        }
    }

    @Test(
        "AH is negotiated, rekeyed and deleted as ESP is",
        arguments: [IntegrityAlgorithm.hmacSHA256_128, .hmacSHA384_192, .hmacSHA512_256]
    )
    func authenticationHeader(integrity: IntegrityAlgorithm) {
        var setup = Setup()
        setup.adjustChild = authenticationHeader([
            .integrity(integrity), .keyExchange(.curve25519), .sequenceNumbers(.extended),
        ])
        setup.childLifetime = SALifetime(rekeyAfter: .seconds(100), jitterPercent: 0)
        let dialogue = Dialogue(setup)
        dialogue.initiate()
        #expect(dialogue.agree())
        dialogue.advance(by: .seconds(130))
        #expect(dialogue.agree())
        let child = dialogue.left.activeChild("net")
        #expect(child?.securityProtocol == .ah && child?.replaces != nil)
        #expect(child?.encryption == .encryption(.null) && child?.integrity == integrity)
        #expect(child?.inboundKeys.encryption.count == 0)
        #expect(child?.inboundKeys.integrity.count == [12: 32, 13: 48, 14: 64][integrity.rawValue])
        dialogue.handle(.terminate(connection: "site", child: "net"), at: dialogue.left)
        dialogue.settle()
        dialogue.advance(by: .seconds(10))
        #expect(dialogue.left.present.isEmpty && dialogue.right.present.isEmpty)
        #expect(dialogue.left.establishedIKESAs.count == 1)
    }

    @Test("AH that the configuration has no more is closed at the peer as well")
    func authenticationHeaderWithdrawn() {
        var setup = Setup()
        setup.adjustChild = authenticationHeader([.integrity(.hmacSHA256_128)])
        let dialogue = Dialogue(setup)
        dialogue.initiate()
        #expect(dialogue.agree())
        setup.children = ["more": ("10.3.0.0/16", "10.4.0.0/16")]
        dialogue.configure(dialogue.left, setup)
        dialogue.settle()
        #expect(dialogue.left.present.isEmpty && dialogue.right.present.isEmpty)
    }

    @Test("AH does not pass a NAT, and both ends say so")
    func authenticationHeaderBehindNAT() {
        var setup = Setup()
        setup.encapsulation = .udp
        setup.adjustChild = authenticationHeader([
            .integrity(.hmacSHA256_128), .sequenceNumbers(.extended),
        ])
        let dialogue = Dialogue(setup)
        dialogue.initiate()
        #expect(dialogue.left.present.isEmpty && dialogue.right.present.isEmpty)
        #expect(dialogue.right.failures.first?.explanation.contains("NAT") == true)
        #expect(dialogue.left.failures.first?.subject == .childProposal)
        #expect(dialogue.left.failures.first?.explanation.contains("NAT") == true)
    }

    @Test("of ESP and AH, the peer takes what it has")
    func eitherProtocol() {
        var left = Setup()
        left.adjustChild = { policy in
            policy.proposals.append(
                ConfiguredProposal(
                    Proposal(securityProtocol: .ah, transforms: [.integrity(.hmacSHA256_128)]),
                    source: "a.yaml:1"
                )
            )
        }
        var right = Setup().mirrored
        right.adjustChild = authenticationHeader([.integrity(.hmacSHA256_128)])
        let dialogue = Dialogue(left, right)
        dialogue.initiate()
        #expect(dialogue.agree())
        #expect(dialogue.right.activeChild("net")?.securityProtocol == .ah)
    }

    @Test("compression is agreed where both have an algorithm, each end choosing its CPI")
    func compression() {
        var left = Setup()
        left.adjustChild = { $0.compression = [3, 2] }
        var right = Setup().mirrored
        right.adjustChild = { $0.compression = [2] }
        let dialogue = Dialogue(left, right)
        dialogue.initiate()
        let (near, far) = (dialogue.left.activeChild("net"), dialogue.right.activeChild("net"))
        #expect(near?.compression?.transform == 2)
        #expect(near?.compression?.inboundCPI == far?.compression?.outboundCPI)
        #expect(near?.compression?.outboundCPI == far?.compression?.inboundCPI)
        #expect((256...61_439).contains(near?.compression?.inboundCPI ?? 0))
        let plain = Dialogue(left, Setup().mirrored)
        plain.initiate()
        #expect(plain.agree() && plain.left.activeChild("net")?.compression == nil)
    }

    @Test("later fragments need both ends' consent, padding that of its receiver")
    func fragmentsAndPadding() {
        var left = Setup()
        left.adjustChild = {
            $0.carriesLaterFragments = true
            $0.acceptsPadding = false
        }
        var right = Setup().mirrored
        let one = Dialogue(left, right)
        one.initiate()
        #expect(one.left.activeChild("net")?.carriesLaterFragments == false)
        #expect(one.right.activeChild("net")?.carriesLaterFragments == false)
        #expect(one.right.activeChild("net")?.peerAcceptsPadding == false)
        #expect(one.left.activeChild("net")?.peerAcceptsPadding == true)
        right.adjustChild = { $0.carriesLaterFragments = true }
        let both = Dialogue(left, right)
        both.initiate()
        #expect(both.left.activeChild("net")?.carriesLaterFragments == true)
        #expect(both.right.activeChild("net")?.carriesLaterFragments == true)
    }
}

@Suite("Several Child SAs of the same traffic")
struct ResourceTests {
    private func dialogue(left: Int, right: Int) -> Dialogue {
        var near = Setup()
        near.adjustChild = { $0.resources = left }
        var far = Setup().mirrored
        far.adjustChild = { $0.resources = right }
        return Dialogue(near, far)
    }

    private func ask(_ dialogue: Dialogue, for slot: Int) {
        dialogue.handle(
            .initiate(IKEEvent.Initiation(connection: "site", child: "net", resource: slot)),
            at: dialogue.left
        )
        dialogue.settle()
    }

    @Test("the first is the fallback, and each further one is made once")
    func several() {
        let dialogue = dialogue(left: 3, right: 3)
        dialogue.initiate()
        #expect(dialogue.left.activeChild("net")?.resource?.isFallback == true)
        for slot in [1, 2, 2, 1, 0] { ask(dialogue, for: slot) }
        #expect(dialogue.left.children.compactMap(\.resource?.slot) == [0, 1, 2])
        #expect(dialogue.right.children.compactMap(\.resource?.slot) == [0, 1, 2])
        #expect(
            dialogue.right.children.map(\.resource?.peerData) == [
                [], [0, 0, 0, 1], [0, 0, 0, 2],
            ]
        )
        #expect(dialogue.left.failures.isEmpty)
    }

    @Test("the peer says when it wants no more")
    func limit() {
        let dialogue = dialogue(left: 4, right: 2)
        dialogue.initiate()
        for slot in 1..<4 { ask(dialogue, for: slot) }
        #expect(dialogue.left.present.count == 2 && dialogue.right.present.count == 2)
        #expect(dialogue.left.count { $0 == .resourcesExhausted } == 2)
        #expect(dialogue.left.failures.isEmpty)
    }

    @Test("a peer that keeps only one gets an ordinary child")
    func notSupported() {
        let dialogue = dialogue(left: 4, right: 1)
        dialogue.initiate()
        #expect(dialogue.agree() && dialogue.left.activeChild("net")?.resource == nil)
    }

    @Test("each keeps its place when it is rekeyed")
    func rekeyed() {
        var setup = Setup()
        setup.adjustChild = { $0.resources = 2 }
        setup.childLifetime = SALifetime(rekeyAfter: .seconds(100), jitterPercent: 10)
        let dialogue = Dialogue(setup)
        dialogue.initiate()
        ask(dialogue, for: 1)
        dialogue.advance(by: .seconds(120))
        dialogue.advance(by: .seconds(10))
        #expect(dialogue.left.children.compactMap(\.resource?.slot).sorted() == [0, 1])
        #expect(dialogue.right.children.compactMap(\.resource?.slot).sorted() == [0, 1])
        #expect(dialogue.left.installed.count >= 4)
    }
}
