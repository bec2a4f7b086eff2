internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// A Child SA that this end has offered.
struct ChildOffer {
    let policy: ChildPolicy
    let initiation: IKEEvent.Initiation
    let inboundSPI: SPI
    let proposals: SecurityAssociationPayload
    let selectors: TrafficSelectorPair
    let traits: TraitsOffer
    /// What it is to replace, as it was when the offer was made.
    let replaced: ChildSA?
    /// A CFG_REQUEST goes before it (RFC 7296 §2.19).
    let configuration: ConfigurationPayload?

    var asksForAddress: Bool { configuration != nil }
}

/// A CREATE_CHILD_SA exchange of ours for a Child SA.
struct ChildExchange {
    let offer: ChildOffer
    let nonce: [UInt8]
    let keyPair: KeyExchangeKeyPair?
    /// The inbound SPI of the child that this one is to replace.
    let replaces: SPI?
    /// How often the peer asked for another method.
    var restarts = 0
    /// The peer rekeys the same child at the same time (RFC 7296 §2.8.1).
    var crossing: Crossing?
    /// Set while additional key exchanges follow (RFC 9370 §2.2.4).
    var followUp: FollowUp?
    /// The caller has changed its mind: the child that comes of this is closed at once.
    var isUnwanted = false
    /// SPIs that the peer closed since the request left and that this end does not know: what the
    /// answer makes may be among them.
    var deletedMeanwhile: [SPI] = []

    static let deletionLimit = 16
}

/// A CREATE_CHILD_SA exchange of ours that replaces the IKE SA.
struct IKERekeyExchange {
    let localSPI: IKESPI
    let nonce: [UInt8]
    let keyPair: KeyExchangeKeyPair
    let offer: SecurityAssociationPayload
    var restarts = 0
    /// Set while additional key exchanges follow (RFC 9370 §2.2.4).
    var followUp: FollowUp?
    /// The peer replaces the same IKE SA at the same time (RFC 7296 §2.8.2).
    var crossing: Crossing?

    struct Crossing {
        let lowestNonce: [UInt8]
        /// Our SPI of the IKE SA that the peer's exchange made.
        let localSPI: IKESPI
    }
}

extension ChildOffer {
    /// What goes before the SA payload of a request.
    var notifies: [Payload] {
        configuration.map { [.configuration($0)] } ?? []
            + policy.notifies(traits).map(Payload.notify)
    }

    /// SA, TSi and TSr of a request.
    var payloads: [Payload] {
        [
            .securityAssociation(proposals),
            .trafficSelectorInitiator(TrafficSelectorPayload(selectors: selectors.local)),
            .trafficSelectorResponder(TrafficSelectorPayload(selectors: selectors.remote)),
        ]
    }
}
