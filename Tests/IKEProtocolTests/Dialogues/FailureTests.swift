import IKEProtocol
import IPsecPrimitives
import Testing

@Suite("Failures and what is said of them")
struct FailureTests {
    private func failures(_ change: (inout Setup) -> Void) -> (
        left: NegotiationFailure?, right: NegotiationFailure?
    ) {
        var right = Setup().mirrored
        change(&right)
        let dialogue = Dialogue(Setup(), right)
        dialogue.initiate()
        dialogue.advance(by: .seconds(60))
        return (dialogue.left.failures.first, dialogue.right.failures.first)
    }

    @Test("IKE proposals that do not meet")
    func ikeProposals() throws {
        let (left, right) = failures { $0.ikeProposals = ["aes128gcm16-prfsha256-x25519"] }
        let told = try #require(right)
        #expect(told.subject == .ikeProposal)
        #expect(told.offered == ["aes256gcm16-prfsha256-x25519"])
        #expect(told.accepted == ["aes128gcm16-prfsha256-x25519"])
        #expect(told.nearest?.contains("encryption: they offer aes256gcm16") == true)
        #expect(told.source == "right.example.yaml:10")
        #expect(left?.subject == .ikeProposal)
        #expect(left?.source == "left.example.yaml:10")
    }

    @Test("ESP proposals that do not meet")
    func espProposals() throws {
        let (left, right) = failures { $0.espProposals = ["aes128gcm16"] }
        #expect(right?.source == "right.example.yaml:30")
        #expect(right?.nearest?.contains("encryption") == true)
        #expect(left?.subject == .childProposal)
    }

    @Test("traffic selectors that do not meet")
    func trafficSelectors() throws {
        let (left, right) = failures { $0.children = ["net": ("10.9.0.0/16", "10.1.0.0/16")] }
        #expect(right?.subject == .trafficSelectors)
        #expect(right?.nearest?.contains("local: they want 10.2.0.0/16") == true)
        #expect(right?.source == "right.example.yaml:21")
        #expect(left?.subject == .trafficSelectors)
    }

    @Test("a wrong secret is told to our side and not to the peer")
    func wrongSecret() {
        let (left, right) = failures { $0.secret = "another" }
        #expect(right?.subject == .secret)
        #expect(right?.source == "right.example.yaml:5")
        #expect(left?.subject == .refusedByPeer)
        #expect(left?.explanation.contains("AUTHENTICATION_FAILED") == true)
    }

    @Test("an address that the peer has no connection for, which looks like proposals to us")
    func unknownAddress() throws {
        let (left, right) = failures { $0.remoteAddress = "192.0.2.77" }
        #expect(right?.subject == .connection)
        let told = try #require(left)
        #expect(told.explanation.contains("proposals") && told.explanation.contains("address"))
        #expect(told.remedy.contains("address"))
    }

    @Test("an unknown identity")
    func unknownIdentity() {
        let (left, right) = failures { $0.remoteIdentity = "somebody.example" }
        #expect(right?.subject == .identity)
        #expect(right?.offered == ["left.example"])
        #expect(right?.source == "right.example.yaml:4")
        #expect(left?.subject == .refusedByPeer)
    }

    @Test("a local identity that the peer does not expect")
    func otherLocalIdentity() {
        let (_, right) = failures { $0.localIdentity = "renamed.example" }
        #expect(right?.subject == .identity)
        #expect(right?.explanation.contains("right.example") == true)
    }

    /// Which one it is, only the identity tells; IKE_SA_INIT is answered for the first that fits.
    @Test("a refusal names the connection that refuses, of several for the same addresses")
    func refusingConnection() throws {
        let refusal = try #require(
            refusal { $0.ikeProposals = ["aes128gcm16-prfsha256-x25519"] }
        )
        #expect(refusal.connection == "site")
        #expect(refusal.failure?.subject == .ikeProposal)
    }

    @Test("an identity of ours that is unknown is told of the connection that the peer means")
    func refusingIdentity() throws {
        let refusal = try #require(refusal { $0.localIdentity = "renamed.example" })
        #expect(refusal.connection == "site")
        #expect(refusal.failure?.source == "renamed.example.yaml:3")
    }

    @Test("an identity of the peer's that is unknown is told of no connection, where it may be any")
    func refusedByNone() throws {
        let refusal = try #require(refusal { $0.remoteIdentity = "somebody.example" })
        #expect(refusal.connection == nil)
        #expect(refusal.failure?.subject == .identity)
    }

    @Test(
        "what a stranger wants is told of no connection for any address, unless it is the only one",
        arguments: [true, false]
    )
    func stranger(failsByIdentity: Bool) {
        var right = Setup().mirrored
        right.remoteAddress = "any"
        if failsByIdentity {
            right.remoteIdentity = "somebody.example"
        } else {
            right.ikeProposals = ["aes128gcm16-prfsha256-x25519"]
        }
        var other = Setup().mirrored
        other.remoteAddress = "203.0.113.9"
        other.adjustConnection = { $0.name = "other" }
        for others in [[], other.connections] {
            let dialogue = Dialogue(Setup(), right)
            let party = dialogue.right
            party.absorb(
                party.engine.setConnections(
                    right.connections + others,
                    credentials: right.credentials,
                    at: dialogue.now
                )
            )
            dialogue.initiate()
            let refusals = party.reports.filter { $0.failure != nil }
            #expect(refusals.count == 1)
            #expect(refusals.first?.connection == (others.isEmpty ? "site" : nil))
            let subject = refusals.first?.failure?.subject
            #expect(subject == (failsByIdentity ? .identity : .ikeProposal))
        }
    }

    /// What the right end reports, which has another connection before the one that is changed.
    private func refusal(_ change: (inout Setup) -> Void) -> IKEReport? {
        var right = Setup().mirrored
        change(&right)
        var other = Setup().mirrored
        other.remoteIdentity = "other.example"
        other.adjustConnection = { $0.name = "other" }
        let dialogue = Dialogue(Setup(), right)
        let party = dialogue.right
        party.absorb(
            party.engine.setConnections(
                other.connections + right.connections,
                credentials: right.credentials,
                at: dialogue.now
            )
        )
        dialogue.initiate()
        return party.reports.first { $0.failure != nil }
    }

    @Test("a peer for which there is no connection")
    func noConnection() {
        let (left, right) = failures { $0.remoteAddress = "198.51.100.7" }
        #expect(right?.subject == .connection)
        #expect(left?.subject == .ikeProposal)
    }

    @Test("a peer that does not answer")
    func noAnswer() {
        let dialogue = Dialogue()
        dialogue.link = { _ in [] }
        dialogue.initiate()
        dialogue.advance(by: .seconds(600))
        #expect(dialogue.left.failures.map(\.subject) == [.peerUnresponsive])
        #expect(dialogue.left.engine.isIdle)
    }

    @Test("each connection has a patience of its own")
    func ownPatience() {
        var setup = Setup()
        setup.retransmission = RetransmissionSchedule(
            interval: .milliseconds(500),
            growthPerMille: 1000,
            tries: 3
        )
        let dialogue = Dialogue(setup)
        var sendings = 0
        dialogue.link = { _ in
            sendings += 1
            return []
        }
        dialogue.initiate()
        dialogue.advance(by: .seconds(2))
        #expect(sendings == 3)
        #expect(dialogue.left.failures.map(\.subject) == [.peerUnresponsive])
    }
}

extension IKEReport {
    /// Why a peer was refused.
    fileprivate var failure: NegotiationFailure? {
        if case .refused(let failure) = event { failure } else { nil }
    }
}
