import IKEMessages
import IPsecPrimitives
import Testing

@testable import IKEProtocol

@Suite("Child SAs for some DSCPs")
struct CodePointTests {
    private static let expedited = CodePointSet([46])
    private static let assured = CodePointSet([34, 36])

    private func setup(_ sets: [CodePointSet]) -> Setup {
        var setup = Setup()
        setup.adjustChild = { $0.codePointSets = sets }
        return setup
    }

    private func dialogue(
        left: [CodePointSet],
        right: [CodePointSet],
        settings: EngineSettings = EngineSettings()
    ) -> Dialogue {
        let dialogue = Dialogue(setup(left), setup(right).mirrored, settings: settings)
        dialogue.initiate()
        return dialogue
    }

    private func ask(_ dialogue: Dialogue, for codePoints: CodePointSet) {
        var initiation = IKEEvent.Initiation(connection: "site", child: "net")
        initiation.codePoints = codePoints
        dialogue.handle(.initiate(initiation), at: dialogue.left)
        dialogue.settle()
    }

    private func classes(_ party: Party) -> [String] {
        party.children.map(\.codePoints.description)
    }

    @Test("each is made once, and is for the same at both ends")
    func made() {
        let sets = [Self.expedited, Self.assured]
        let dialogue = dialogue(left: sets, right: sets.reversed())
        for wanted in [Self.expedited, Self.assured, Self.expedited, CodePointSet()] {
            ask(dialogue, for: wanted)
        }
        #expect(classes(dialogue.left) == ["", "ef", "af41 af42"])
        #expect(classes(dialogue.right) == classes(dialogue.left))
        #expect(dialogue.left.failures.isEmpty && dialogue.right.failures.isEmpty)
        #expect(Set(dialogue.left.children.map(\.localSelectors)).count == 1)
    }

    @Test("the responder waits for a packet, or five seconds, before it sends by one")
    func patience() {
        let dialogue = dialogue(left: [Self.expedited], right: [Self.expedited])
        let first = dialogue.right.active["net"]
        ask(dialogue, for: Self.expedited)
        #expect(dialogue.right.present.count == 2 && dialogue.right.active["net"] == first)
        dialogue.advance(by: .seconds(4))
        #expect(dialogue.right.active["net"] == first)
        dialogue.advance(by: .seconds(2))
        #expect(dialogue.right.active["net"] == dialogue.right.present.last)
    }

    @Test("the wait goes along to a new IKE SA")
    func patienceThroughRekeying() {
        let dialogue = dialogue(left: [Self.expedited], right: [Self.expedited])
        ask(dialogue, for: Self.expedited)
        dialogue.handle(.rekeyIKESA(connection: "site"), at: dialogue.left)
        dialogue.advance(by: .seconds(6))
        #expect(dialogue.right.active["net"] == dialogue.right.present.last)
    }

    @Test("a peer without classes has children that are for whatever it likes")
    func unaware() {
        let dialogue = dialogue(left: [Self.expedited], right: [])
        ask(dialogue, for: Self.expedited)
        #expect(classes(dialogue.left) == ["", "ef"] && classes(dialogue.right) == ["", ""])
        dialogue.advance(by: .seconds(60))
        #expect(dialogue.left.present.count == 2 && dialogue.right.present.count == 2)
        // To it they do the same, and yet it closes neither, whoever has rekeyed it last.
        for party in [dialogue.right, dialogue.left, dialogue.right] {
            for spi in party.present {
                dialogue.handle(.childLifetimeReached(inboundSPI: spi, limit: .soft), at: party)
            }
            dialogue.advance(by: .seconds(30))
            #expect(classes(dialogue.left).sorted() == ["", "ef"])
            #expect(dialogue.right.present.count == 2)
        }
    }

    @Test("a peer with other sets takes the one that shares a value")
    func otherSets() {
        let dialogue = dialogue(
            left: [Self.expedited, Self.assured, CodePointSet([8])],
            right: [CodePointSet([36, 38]), CodePointSet([46, 44])]
        )
        for wanted in [Self.expedited, Self.assured, CodePointSet([8])] {
            ask(dialogue, for: wanted)
        }
        #expect(classes(dialogue.left) == ["", "ef", "af41 af42", "cs1"])
        #expect(classes(dialogue.right) == ["", "va ef", "af42 af43", ""])
    }

    @Test("a peer with several of the same traffic for processors takes none for a class")
    func resources() {
        var far = Setup()
        far.adjustChild = { $0.resources = 4 }
        let dialogue = Dialogue(setup([Self.expedited]), far.mirrored)
        dialogue.initiate()
        ask(dialogue, for: Self.expedited)
        #expect(classes(dialogue.left) == ["", "ef"] && classes(dialogue.right) == ["", ""])
        // The other way round: what its notify says is not ours to read.
        var near = Setup()
        near.adjustChild = { $0.resources = 2 }
        let other = Dialogue(near, setup([Self.expedited]).mirrored)
        other.initiate()
        let wish = IKEEvent.Initiation(connection: "site", child: "net", resource: 1)
        other.handle(.initiate(wish), at: other.left)
        other.settle()
        #expect(classes(other.right) == ["", ""])
    }

    @Test("a peer that takes no more children is not given another IKE SA for it")
    func noMore() {
        var settings = EngineSettings()
        settings.childLimit = 1
        let dialogue = dialogue(
            left: [Self.expedited],
            right: [Self.expedited],
            settings: settings
        )
        for count in 1...2 {
            ask(dialogue, for: Self.expedited)
            #expect(dialogue.left.count { $0 == .resourcesExhausted } == count)
        }
        #expect(dialogue.left.establishedIKESAs.count == 1 && dialogue.left.present.count == 1)
        #expect(dialogue.left.failures.isEmpty && dialogue.agree())
    }

    @Test("an IKE SA from scratch has them all before the old one ends")
    func fromScratch() {
        var near = setup([Self.expedited, Self.assured])
        near.reauthenticateAfter = .seconds(600)
        let dialogue = Dialogue(near, setup([Self.expedited, Self.assured]).mirrored)
        dialogue.initiate()
        ask(dialogue, for: Self.expedited)
        ask(dialogue, for: Self.assured)
        let before = Set(dialogue.left.present)
        dialogue.advance(by: .seconds(700))
        #expect(before.isDisjoint(with: dialogue.left.present))
        #expect(classes(dialogue.left).sorted() == ["", "af41 af42", "ef"])
        #expect(classes(dialogue.right).sorted() == ["", "af41 af42", "ef"])
        #expect(dialogue.left.establishedIKESAs.count == 1)
    }

    @Test(
        "identifiers of others say nothing of DSCPs",
        arguments: [
            [], [0, 0, 0, 1], Array("DSCP".utf8),
            Array("DSCP".utf8) + Array(repeating: 0, count: 8),
            Array("DSCP".utf8) + Array(repeating: 1, count: 7),
            Array("DSCP".utf8) + Array(repeating: 1, count: 9),
            Array("dscp".utf8) + Array(repeating: 1, count: 8),
        ] as [[UInt8]]
    )
    func foreign(data: [UInt8]) throws {
        let payload = Payload.notify(NotifyPayload(.saResourceInfo, data: data))
        let content = try #require(MessageContent([payload]))
        #expect(content.codePoints == nil)
    }

    @Test("the identifier has a bit for each DSCP, 63 the first")
    func identifier() {
        let notify = NotifyPayload(CodePointSet([0, 46, 63]))
        #expect(notify.type.rawValue == 16_444)
        #expect(notify.data == [0x44, 0x53, 0x43, 0x50, 0x80, 0, 0x40, 0, 0, 0, 0, 1])
        #expect(
            MessageContent([.notify(notify)])?.codePoints == CodePointSet([0, 46, 63])
        )
    }
}
