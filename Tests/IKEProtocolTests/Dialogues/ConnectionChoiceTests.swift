import IKECredentials
import IPsecPrimitives
import Testing

@testable import IKEProtocol

/// Several connections that a first request may mean: addresses and proposals are all there is to tell
/// them apart before IKE_AUTH (RFC 7296 §1.2).
@Suite("Which of several connections a peer means")
struct ConnectionChoiceTests {
    private let first = "aes256gcm16-prfsha256-x25519"
    private let second = "aes128gcm16-prfsha256-x25519"

    /// The left end offers both proposals; the right one has another connection in front of that
    /// which is meant.
    private func dialogue(
        other: (proposals: [String], change: (inout IKEConnection) -> Void),
        meant: (proposals: [String], change: (inout IKEConnection) -> Void)
    ) -> Dialogue {
        var left = Setup()
        left.ikeProposals = [first, second]
        var right = left.mirrored
        right.ikeProposals = meant.proposals
        right.adjustConnection = meant.change
        var neighbour = left.mirrored
        neighbour.remoteIdentity = "other.example"
        neighbour.ikeProposals = other.proposals
        neighbour.adjustConnection = { connection in
            connection.name = "other"
            other.change(&connection)
        }
        let dialogue = Dialogue(left, right)
        let party = dialogue.right
        party.absorb(
            party.engine.setConnections(
                neighbour.connections + right.connections,
                credentials: right.credentials,
                at: dialogue.now
            )
        )
        return dialogue
    }

    private func isUp(_ dialogue: Dialogue) -> Bool {
        dialogue.right.establishedIKESAs.map(\.connection) == ["site"]
            && dialogue.right.failures.isEmpty
    }

    private func anywhere(_ connection: inout IKEConnection) { connection.remoteAddress = nil }

    @Test("one that names the peer's address goes before one for any address")
    func address() {
        let dialogue = dialogue(other: ([first], anywhere), meant: ([second], { _ in }))
        dialogue.initiate()
        #expect(isUp(dialogue))
    }

    @Test("one for a small network goes before one for a large one, and that before any address")
    func networks() {
        func network(_ text: String) -> (inout IKEConnection) -> Void {
            { connection in
                connection.remoteAddress = nil
                connection.remotePrefixes = [IPPrefix(text)!]
            }
        }
        let large = network("192.0.0.0/16")
        let small = dialogue(other: ([first], large), meant: ([second], network("192.0.2.0/24")))
        small.initiate()
        #expect(isUp(small))
        let any = dialogue(other: ([first], anywhere), meant: ([second], large))
        any.initiate()
        #expect(isUp(any))
    }

    @Test("one that names our address goes before one for any of ours")
    func localAddress() {
        let dialogue = dialogue(
            other: ([first], { $0.localAddress = nil }),
            meant: ([second], { _ in })
        )
        dialogue.initiate()
        #expect(isUp(dialogue))
    }

    @Test("one whose peer's name stands for the address goes before one for any address")
    func name() {
        let dialogue = dialogue(other: ([first], anywhere), meant: ([second], anywhere))
        dialogue.right.engine.noteResolved([IPAddress("192.0.2.1")!], of: "site")
        dialogue.initiate()
        #expect(isUp(dialogue))
    }

    @Test("one that takes nothing of the offer stands aside, however exactly it names the peer")
    func nothingTaken() {
        let dialogue = dialogue(
            other: (["chacha20poly1305-prfsha256-x25519"], { _ in }),
            meant: ([second], anywhere)
        )
        dialogue.initiate()
        #expect(isUp(dialogue))
    }

    @Test("of those that nothing tells apart, the one that takes what the peer prefers")
    func preference() {
        let dialogue = dialogue(other: ([second], { _ in }), meant: ([first], { _ in }))
        dialogue.initiate()
        #expect(isUp(dialogue))
    }

    @Test("taken for one of another connection, a peer that proves its own is known the next time")
    func proven() throws {
        let dialogue = dialogue(other: ([first], { _ in }), meant: ([second], anywhere))
        dialogue.initiate()
        let refusal = try #require(dialogue.right.failures.first)
        #expect(refusal.subject == .ikeProposal)
        #expect(refusal.explanation.contains("it is taken for one of site"))
        #expect(dialogue.right.establishedIKESAs.isEmpty)
        dialogue.initiate()
        #expect(dialogue.right.establishedIKESAs.map(\.connection) == ["site"])
    }

    /// Whether UDP is asked for is said before the peer says who it is (RFC 7296 §2.23). Where this end
    /// has ESP as well, the peer may have AH alone: shown by seed 910014754 of the simulator.
    @Test(
        "asked for UDP as another connection wants it, a peer with AH is known the next time",
        arguments: [false, true]
    )
    func encapsulation(hasESP: Bool) throws {
        let header = ConfiguredProposal(
            Proposal(
                securityProtocol: .ah,
                transforms: [.integrity(.hmacSHA256_128), .sequenceNumbers(.extended)]
            ),
            source: "a.yaml:1"
        )
        func withHeader(_ connection: inout IKEConnection) {
            for index in connection.children.indices {
                connection.children[index].proposals = [header]
            }
        }
        let dialogue = dialogue(
            other: (
                [first],
                { connection in
                    connection.remoteAddress = nil
                    connection.encapsulation = .udp
                    connection.encapsulationSource = "right.example.yaml:66"
                }
            ),
            meant: (
                [first],
                { connection in
                    connection.remoteAddress = nil
                    let others = connection.children.flatMap(\.proposals)
                    withHeader(&connection)
                    if hasESP { connection.children[0].proposals += others }
                }
            )
        )
        var left = Setup()
        left.ikeProposals = [first, second]
        left.adjustConnection = withHeader
        dialogue.configure(dialogue.left, left)
        dialogue.initiate()
        let refusal = try #require(dialogue.right.failures.first)
        #expect(refusal.subject == .encapsulation && refusal.source == "right.example.yaml:66")
        #expect(dialogue.right.establishedIKESAs.isEmpty)
        dialogue.initiate()
        #expect(dialogue.right.establishedIKESAs.map(\.connection) == ["site"])
        #expect(dialogue.agree() && dialogue.left.activeChild("net")?.securityProtocol == .ah)
    }

    @Test("not asked for UDP, a peer of a connection that wants it is known the next time")
    func withoutEncapsulation() throws {
        let dialogue = dialogue(
            other: ([first], { _ in }),
            meant: (
                [first],
                { connection in
                    connection.remoteAddress = nil
                    connection.encapsulation = .udp
                    connection.encapsulationSource = "right.example.yaml:66"
                }
            )
        )
        dialogue.initiate()
        let refusal = try #require(dialogue.right.failures.first)
        #expect(refusal.subject == .encapsulation && refusal.source == "right.example.yaml:66")
        #expect(dialogue.right.children.isEmpty)
        dialogue.initiate()
        #expect(dialogue.right.establishedIKESAs.map(\.connection) == ["site"])
        #expect(dialogue.agree() && dialogue.right.children.allSatisfy(\.path.isEncapsulated))
    }

    /// Both prove, one after the other, that they are at one address.
    @Test("two connections of one address, one of which wants UDP, come up by turns")
    func byTurns() throws {
        func udp(_ connection: inout IKEConnection) { connection.encapsulation = .udp }
        let dialogue = dialogue(other: ([first], { _ in }), meant: ([first], udp))
        let right = dialogue.right
        let connections = right.engine.connections
        func peer(_ identity: String, _ seed: UInt64) -> Party {
            var setup = Setup()
            setup.localIdentity = identity
            let party = Party(
                identity,
                setup.localAddress,
                settings: EngineSettings(),
                seed: seed
            )
            dialogue.configure(party, setup)
            return party
        }
        var store = Setup().mirrored.credentials
        store.addPresharedKey(
            SecretBytes(Array(Setup().secret.utf8)),
            local: IdentityPattern("right.example")!,
            remote: IdentityPattern("other.example")!
        )
        right.absorb(
            right.engine.setConnections(connections, credentials: store, at: dialogue.now)
        )
        func meet(_ party: Party) {
            dialogue.begin(party)
            for _ in 0..<6 {
                dialogue.carry(from: party, to: right)
                dialogue.carry(from: right, to: party)
            }
        }
        for seed in [UInt64(100), 200] {
            let mine = peer("left.example", seed)
            let others = peer("other.example", seed + 1)
            for party in [mine, others] {
                meet(party)
                if party.children.isEmpty { meet(party) }
            }
            #expect(mine.children.map(\.path.isEncapsulated) == [true])
            #expect(others.children.count == 1)
        }
    }

    @Test("nobody is remembered without the secret")
    func unproven() throws {
        var left = Setup()
        left.ikeProposals = [first, second]
        left.secret = "another secret"
        let dialogue = dialogue(other: ([first], { _ in }), meant: ([second], anywhere))
        dialogue.configure(dialogue.left, left)
        dialogue.initiate()
        dialogue.initiate()
        // Answered by the first proposal both times.
        #expect(dialogue.right.failures.map(\.subject) == [.secret, .secret])
        left.secret = Setup().secret
        dialogue.configure(dialogue.left, left)
        dialogue.initiate()
        #expect(dialogue.right.failures.last?.subject == .ikeProposal)
    }

    @Test("so many peers are remembered, and no more; connections that are gone are forgotten")
    func bounded() {
        var whereabouts = PeerWhereabouts()
        func address(_ number: Int) -> IPAddress {
            IPAddress(version: .v4, bits: UInt128(0x0a00_0000 + number))
        }
        for number in 0...PeerWhereabouts.capacity {
            whereabouts.prove(number == 5 ? "gone" : "site", at: address(number))
        }
        #expect(!whereabouts.isProven("site", at: address(0)))
        #expect(whereabouts.isProven("site", at: address(1)))
        #expect(whereabouts.isProven("site", at: address(PeerWhereabouts.capacity)))
        whereabouts.keep { $0 == "site" }
        #expect(!whereabouts.isProven("gone", at: address(5)))
        #expect(whereabouts.isProven("site", at: address(1)))
    }

    /// Before IKE_AUTH it may be anybody's of those.
    @Test("one that is ended takes no peer along that has only begun, and means another")
    func endedBeforeThePeerIsKnown() {
        let dialogue = dialogue(other: ([first], anywhere), meant: ([first], anywhere))
        dialogue.begin(dialogue.left)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        for name in ["other", "site"] {
            dialogue.handle(.terminate(connection: name, child: nil), at: dialogue.right)
        }
        dialogue.settle()
        #expect(isUp(dialogue))
    }

    /// Between IKE_SA_INIT and IKE_AUTH the right end gets another configuration.
    private func reconfigure(
        _ dialogue: Dialogue,
        to change: ([IKEConnection]) -> [IKEConnection]
    ) {
        dialogue.begin(dialogue.left)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        let right = dialogue.right
        right.absorb(
            right.engine.setConnections(
                change(right.engine.connections),
                credentials: right.engine.credentials,
                at: dialogue.now
            )
        )
        dialogue.settle()
    }

    @Test("one that is taken out of the configuration takes no peer along that means another")
    func removedBeforeThePeerIsKnown() {
        let dialogue = dialogue(other: ([first], anywhere), meant: ([first], anywhere))
        reconfigure(dialogue) { $0.filter { $0.name == "site" } }
        #expect(isUp(dialogue))
    }

    @Test("nor does one that is for another identity from now on, or for another address")
    func changedBeforeThePeerIsKnown() {
        for change: (inout IKEConnection) -> Void in [
            { $0.remoteIdentity = .exactly(Identity("third.example")!) },
            { $0.localIdentity = Identity("elsewhere.example")! },
            { $0.remoteAddress = IPAddress("203.0.113.9")! },
        ] {
            let dialogue = dialogue(other: ([first], anywhere), meant: ([first], anywhere))
            reconfigure(dialogue) { connections in
                connections.map { connection in
                    var changed = connection
                    if connection.name == "other" { change(&changed) }
                    return changed
                }
            }
            #expect(isUp(dialogue))
        }
    }

    @Test("where no other would have answered so, the peer has to begin anew")
    func removedAlone() {
        let dialogue = dialogue(other: ([first], anywhere), meant: ([second], anywhere))
        reconfigure(dialogue) { $0.filter { $0.name == "site" } }
        #expect(dialogue.right.establishedIKESAs.isEmpty)
        #expect(dialogue.right.engine.status(at: dialogue.now).halfOpenSAs == 0)
    }
}
