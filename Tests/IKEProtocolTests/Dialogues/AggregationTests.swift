import IKEMessages
import IPsecPrimitives
import Testing

@testable import IKEProtocol

@Suite("IP-TFS agreed on (USE_AGGFRAG)")
struct AggregationTests {
    private func setup(required: Bool) -> Setup {
        var setup = Setup()
        setup.adjustChild = {
            $0.aggregation = AggregationPolicy(isRequired: required, source: "a.yaml:20:9")
        }
        return setup
    }

    private func dialogue(_ left: Setup, _ right: Setup) -> Dialogue {
        let dialogue = Dialogue(left, right.mirrored)
        dialogue.initiate()
        return dialogue
    }

    private func mirrored(required: Bool) -> Setup {
        var other = Setup().mirrored
        other.adjustChild = setup(required: required).adjustChild
        return other
    }

    @Test("both ends have it where both want it", arguments: [true, false], [true, false])
    func agreed(left: Bool, right: Bool) {
        let dialogue = Dialogue(setup(required: left), mirrored(required: right))
        dialogue.initiate()
        #expect(dialogue.agree())
        let expected = Aggregation(peerTakesFragments: true)
        #expect(dialogue.left.activeChild("net")?.aggregation == expected)
        #expect(dialogue.right.activeChild("net")?.aggregation == expected)
    }

    @Test("it stays through rekeys")
    func rekeyed() {
        var left = setup(required: true)
        left.childLifetime = SALifetime(rekeyAfter: .seconds(100), jitterPercent: 0)
        let dialogue = Dialogue(left, mirrored(required: true))
        dialogue.initiate()
        dialogue.advance(by: .seconds(350))
        #expect(dialogue.agree() && dialogue.left.installed.count >= 3)
        #expect(dialogue.left.installed.values.allSatisfy { $0.aggregation != nil })
        #expect(dialogue.right.installed.values.allSatisfy { $0.aggregation != nil })
    }

    @Test("a peer that declines gets no Child SA, and the configuration's line is named")
    func declined() {
        let dialogue = Dialogue(setup(required: true), Setup().mirrored)
        dialogue.initiate()
        dialogue.settle()
        #expect(dialogue.left.installed.isEmpty)
        // The peer had made it, and was told.
        #expect(dialogue.right.present.isEmpty)
        #expect(dialogue.left.failures.map(\.subject) == [.aggregation])
        #expect(dialogue.left.failures.first?.source == "a.yaml:20:9")
        #expect(dialogue.left.failures.first?.remedy.contains("optional: true") == true)
    }

    @Test("a peer that does not ask is refused, and hears it")
    func notAsked() {
        let dialogue = Dialogue(Setup(), mirrored(required: true))
        dialogue.initiate()
        #expect(dialogue.right.installed.isEmpty && dialogue.left.installed.isEmpty)
        #expect(dialogue.right.failures.map(\.subject) == [.aggregation])
        #expect(dialogue.left.failures.count == 1)
    }

    @Test("where it is optional there is a Child SA without")
    func without() {
        for dialogue in [
            Dialogue(setup(required: false), Setup().mirrored),
            Dialogue(Setup(), mirrored(required: false)),
        ] {
            dialogue.initiate()
            #expect(dialogue.agree())
            #expect(dialogue.left.activeChild("net")?.aggregation == nil)
            #expect(dialogue.right.activeChild("net")?.aggregation == nil)
        }
    }

    // MARK: Flags

    private func content(_ notifies: NotifyPayload...) -> MessageContent {
        MessageContent(notifies.map(Payload.notify))!
    }

    private func policy(required: Bool) -> ChildPolicy {
        var policy = ChildPolicy(
            name: "net",
            source: "a.yaml:1:1",
            proposals: [],
            localSelectors: [],
            remoteSelectors: []
        )
        policy.aggregation = AggregationPolicy(isRequired: required, source: "a.yaml:2:1")
        return policy
    }

    @Test("a peer that takes no fragments is remembered as one", arguments: [UInt8(0), 1])
    func dontFragment(flags: UInt8) throws {
        let content = content(NotifyPayload(.useAggregation, data: [flags]))
        let expected = Aggregation(peerTakesFragments: flags == 0)
        #expect(try policy(required: true).answeredAggregation(content, .tunnel) == expected)
        #expect(try policy(required: true).agreedAggregation(content) == expected)
    }

    /// RFC 9347 §5.1: flags that are not understood or cannot be supported.
    @Test(
        "what a peer requires beyond that is not agreed to",
        arguments: [[0b10], [0b11], [0b100], [0x80], [], [0, 0]] as [[UInt8]]
    )
    func unsupported(data: [UInt8]) throws {
        let content = content(NotifyPayload(.useAggregation, data: data))
        #expect(try policy(required: false).answeredAggregation(content, .tunnel) == nil)
        #expect(throws: ChildRefusal.self) {
            try policy(required: true).answeredAggregation(content, .tunnel)
        }
        // An answer is binding: the peer would send by nothing else.
        for required in [true, false] {
            #expect(throws: NegotiationFailure.self) {
                try policy(required: required).agreedAggregation(content)
            }
        }
    }

    @Test("it is nothing for transport mode")
    func transport() throws {
        let both = content(.useAggregation, NotifyPayload(.useTransportMode))
        #expect(try policy(required: false).answeredAggregation(both, .tunnel) == nil)
        #expect(try policy(required: true).answeredAggregation(both, .transport) == nil)
    }

    @Test("an answer to what was not asked is refused")
    func unasked() {
        var plain = policy(required: true)
        plain.aggregation = nil
        #expect(throws: NegotiationFailure.self) {
            try plain.agreedAggregation(content(.useAggregation))
        }
    }
}
