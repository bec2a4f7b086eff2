internal import IPsecCrypto
internal import IPsecPrimitives

/// A pair of ESP SAs of an established IKE SA.
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
    let suite: ESPSuite
    let selectors: TrafficSelectorNarrowing.Selectors
    let isEncapsulated: Bool
    let createdAt: Instant
    let replaces: SPI?
    var rekeyAt: Instant?
    var stage = Stage.current
    /// False while the peer may lack the SA's other half (RFC 7296 §2.8).
    var isUsedOutbound: Bool

    var isReplaced: Bool {
        if case .replaced = stage { true } else { false }
    }

    var description: IKEReport.ChildSADescription {
        IKEReport.ChildSADescription(
            inboundSPI: inboundSPI,
            outboundSPI: outboundSPI,
            suite: suite.description,
            localSelectors: selectors.local,
            remoteSelectors: selectors.remote,
            isEncapsulated: isEncapsulated
        )
    }
}
