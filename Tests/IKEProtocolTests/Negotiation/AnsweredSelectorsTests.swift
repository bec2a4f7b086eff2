import IKEMessages
import IPsecPrimitives
import Testing

@testable import IKEProtocol

/// An answer to an offer of a Child SA, from a responder that no engine of ours would be.
@Suite("Selectors that a peer answers with")
struct AnsweredSelectorsTests {
    private let sa: IKESA
    private let offer: ChildOffer

    init() throws {
        let connection = Setup().connections[0]
        let policy = connection.children[0]
        sa = IKESA(
            localSPI: IKESPI(rawValue: 1),
            peerSPI: IKESPI(rawValue: 2),
            isOriginalInitiator: true,
            connection: connection,
            path: IKEPath(
                local: Endpoint(address: IPAddress("192.0.2.1")!, port: 500),
                remote: Endpoint(address: IPAddress("192.0.2.2")!, port: 500)
            ),
            state: .closed,
            now: .origin
        )
        offer = ChildOffer(
            policy: policy,
            initiation: IKEEvent.Initiation(connection: connection.name, child: policy.name),
            inboundSPI: SPI(rawValue: 0x1000),
            proposals: SecurityAssociationPayload(proposals: []),
            selectors: TrafficSelectorPair(
                local: policy.localSelectors,
                remote: policy.remoteSelectors
            ),
            traits: TraitsOffer(),
            replaced: nil,
            configuration: nil
        )
    }

    /// What the initiator makes of it; nil where it refuses.
    private func agreed(_ local: String, _ remote: String) throws -> TrafficSelectorPair? {
        let content = try #require(MessageContent([]))
        let answered = TrafficSelectorPair(
            local: Setup.selectors(local),
            remote: Setup.selectors(remote)
        )
        return try? sa.agreedTraffic(content, answered, to: offer).0
    }

    @Test("what lies within the offer is taken as it is answered")
    func within() throws {
        #expect(try agreed("10.1.0.0/16", "10.2.0.0/16") == offer.selectors)
        let narrower = try #require(try agreed("10.1.7.0/24", "10.2.0.0/17"))
        #expect(narrower.local == Setup.selectors("10.1.7.0/24"))
        #expect(narrower.remote == Setup.selectors("10.2.0.0/17"))
    }

    @Test(
        "what goes beyond the offer is refused, on either side (RFC 7296 §2.9)",
        arguments: [
            ("10.0.0.0/15", "10.2.0.0/16"), ("10.1.0.0/16", "10.2.0.0/15"),
            ("0.0.0.0/0", "0.0.0.0/0"), ("10.1.0.0/16", "10.3.0.0/24"),
            ("2001:db8:1::/64", "2001:db8:2::/64"),
        ]
    )
    func beyond(_ local: String, _ remote: String) throws {
        #expect(try agreed(local, remote) == nil)
    }
}
