internal import IPsecCrypto
internal import IPsecPrimitives

/// A pair of ESP or AH SAs of an established IKE SA.
struct ChildSA {
    enum Stage: Hashable {
        case current
        /// Another has taken over; it goes as soon as its Delete is through.
        case replaced(by: SPI)
        /// Deleted at both ends; the inbound half stays a little for packets in flight.
        case lingering
    }

    var policy: ChildPolicy
    let inboundSPI: SPI
    let outboundSPI: SPI
    let suite: ChildSuite
    let selectors: TrafficSelectorPair
    var isEncapsulated: Bool
    let createdAt: Instant
    let replaces: SPI?
    let traits: ChildTraits
    /// Whether this end began the exchange that made it.
    let isInitiator: Bool
    var rekeyAt: Instant?
    var stage = Stage.current
    /// False while the peer may lack the SA's other half (RFC 7296 §2.8).
    var isUsedOutbound: Bool
    /// This end wants the tunnel no more, and it with it.
    var isUnwanted = false

    /// Whether a packet, if there is one, may use this SA.
    func carries(_ packet: PacketSelector?) -> Bool { packet.map(selectors.covers) ?? true }

    var isReplaced: Bool {
        if case .replaced = stage { true } else { false }
    }

    var description: IKEReport.ChildSADescription {
        IKEReport.ChildSADescription(
            inboundSPI: inboundSPI,
            outboundSPI: outboundSPI,
            proposal: suite.proposal,
            localSelectors: selectors.local,
            remoteSelectors: selectors.remote,
            isEncapsulated: isEncapsulated,
            isAuthenticationOnly: suite.securityProtocol == .ah,
            traits: traits.words
        )
    }
}
