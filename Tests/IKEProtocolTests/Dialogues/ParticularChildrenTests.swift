import IPsecPrimitives
import Testing

@testable import IKEProtocol

/// A new IKE SA takes the place of one with several children of one policy: all of them come along, make
/// before break.
@Suite("Children of one policy in a new IKE SA")
struct ParticularChildrenTests {
    private let hosts = ["10.2.0.1", "10.2.0.2", "10.2.0.3"]

    private func packet(_ destination: String) -> PacketSelector {
        PacketSelector(
            source: TrafficSelector(address: IPAddress("10.1.0.1")!),
            destination: TrafficSelector(address: IPAddress(destination)!)
        )
    }

    /// Each host of the right end has a pair.
    private func perHost(_ adjust: (inout Setup) -> Void = { _ in }) -> Dialogue {
        var setup = Setup()
        setup.adjustChild = { $0.populated = [.remoteAddress] }
        adjust(&setup)
        var right = setup.mirrored
        right.adjustChild = { $0.populated = [.localAddress] }
        let dialogue = Dialogue(setup, right)
        for host in hosts { dialogue.initiate(packet: packet(host)) }
        #expect(remotes(dialogue.left) == hosts)
        return dialogue
    }

    private func remotes(_ party: Party) -> [String] {
        party.children.flatMap(\.remoteSelectors).map(\.first.description).sorted()
    }

    /// Whether a pair of each host is at both ends whenever a message arrives.
    private func watch(_ dialogue: Dialogue) {
        dialogue.link = { datagram in
            let (left, right) = (dialogue.left, dialogue.right)
            for host in hosts {
                let near = left.children.filter { $0.remoteSelectors[0].first.description == host }
                let far = right.children.filter { $0.localSelectors[0].first.description == host }
                let shared = near.contains { pair in
                    far.contains { $0.inboundSPI == pair.outboundSPI }
                }
                #expect(shared, "no pair for \(host)")
            }
            return [datagram]
        }
    }

    private func renewed(_ dialogue: Dialogue, insteadOf before: Set<SPI>) {
        for party in [dialogue.left, dialogue.right] {
            #expect(party.establishedIKESAs.count == 1)
        }
        #expect(dialogue.left.failures.isEmpty)
        #expect(remotes(dialogue.left) == hosts)
        #expect(dialogue.right.children.count == hosts.count)
        #expect(before.isDisjoint(with: dialogue.left.present))
    }

    @Test("identities are proven anew")
    func reauthentication() {
        let dialogue = perHost { $0.reauthenticateAfter = .seconds(600) }
        let before = Set(dialogue.left.present)
        watch(dialogue)
        dialogue.advance(by: .seconds(640))
        renewed(dialogue, insteadOf: before)
    }

    @Test("the peer takes no more children in the old one")
    func full() throws {
        let dialogue = perHost()
        dialogue.right.engine.settings.childLimit = hosts.count
        let before = Set(dialogue.left.present)
        let first = try #require(dialogue.left.present.first)
        watch(dialogue)
        dialogue.handle(.childLifetimeReached(inboundSPI: first, limit: .soft), at: dialogue.left)
        dialogue.advance(by: .seconds(60))
        renewed(dialogue, insteadOf: before)
    }

    @Test("a pair for another host is asked for meanwhile")
    func meanwhile() {
        let dialogue = perHost { $0.reauthenticateAfter = .seconds(600) }
        while dialogue.left.engine.sas.begun(for: "site").isEmpty {
            dialogue.pass(.seconds(1))
            guard dialogue.now < Instant(nanoseconds: 700_000_000_000) else { break }
            if dialogue.left.engine.sas.begun(for: "site").isEmpty { dialogue.settle() }
        }
        dialogue.begin(dialogue.left, packet: packet("10.2.0.4"))
        dialogue.advance(by: .seconds(60))
        #expect(remotes(dialogue.left) == hosts + ["10.2.0.4"])
        #expect(dialogue.left.establishedIKESAs.count == 1)
    }

    @Test("hosts that ask before the first IKE SA is up get their pairs")
    func beforeTheFirst() {
        let dialogue = perHost()
        dialogue.handle(.terminate(connection: "site", child: nil), at: dialogue.left)
        dialogue.settle()
        #expect(dialogue.left.children.isEmpty)
        for host in hosts { dialogue.begin(dialogue.left, packet: packet(host)) }
        dialogue.settle()
        #expect(remotes(dialogue.left) == hosts)
    }

    @Test("several of the same selectors")
    func resources() {
        var setup = Setup()
        setup.adjustChild = { $0.resources = 3 }
        setup.reauthenticateAfter = .seconds(600)
        let dialogue = Dialogue(setup)
        for slot in 0..<3 {
            let wish = IKEEvent.Initiation(connection: "site", child: "net", resource: slot)
            dialogue.handle(.initiate(wish), at: dialogue.left)
            dialogue.settle()
        }
        let before = Set(dialogue.left.present)
        #expect(before.count == 3)
        dialogue.advance(by: .seconds(640))
        #expect(before.isDisjoint(with: dialogue.left.present))
        for party in [dialogue.left, dialogue.right] {
            #expect(party.children.compactMap { $0.resource?.slot }.sorted() == [0, 1, 2])
            #expect(party.establishedIKESAs.count == 1)
            let states = party.engine.sas.all().compactMap(\.established)
            let children = states.flatMap(\.orderedChildren)
            let current = children.filter { $0.stage == .current }
            #expect(current.count == 3 && current.allSatisfy(\.isUsedOutbound))
        }
    }

    @Test("several for DSCPs, one pair of hosts each")
    func classes() {
        let set = CodePointSet(bits: 1 << 46)
        let dialogue = perHost {
            let populated: PopulatedSelectors = [.remoteAddress]
            $0.adjustChild = { policy in
                policy.populated = populated
                policy.codePointSets = [set]
            }
            $0.reauthenticateAfter = .seconds(600)
        }
        for host in hosts {
            var wish = IKEEvent.Initiation(
                connection: "site",
                child: "net",
                packet: packet(host)
            )
            wish.codePoints = set
            dialogue.handle(.initiate(wish), at: dialogue.left)
            dialogue.settle()
        }
        #expect(dialogue.left.children.count == 6)
        dialogue.advance(by: .seconds(640))
        let kept = dialogue.left.children.filter { $0.codePoints == set }
        #expect(kept.map(\.remoteSelectors[0].first.description).sorted() == hosts)
        #expect(dialogue.left.children.count == 6)
        #expect(dialogue.left.establishedIKESAs.count == 1)
    }
}
