internal import IKEMessages
internal import IPsecPrimitives

/// Who has proven what to whom: reckoned from the messages that gateways sent and that arrived.
struct AuthenticationChecks {
    private struct Proof {
        let gateway: Int
        let life: Int
        let pair: SPIPair
        let identity: IdentificationPayload?
    }

    private struct Held: Hashable {
        let gateway: Int
        let pair: SPIPair
    }

    /// What a genuine message proves, by its fingerprint.
    private var proofs: [UInt64: Proof] = [:]
    /// What has arrived: the identity of the peer, proven to a gateway within an IKE SA.
    private var proven: [Held: IdentificationPayload] = [:]
    /// The IKE SA that another one replaced.
    private var parents: [SPIPair: SPIPair] = [:]
    /// SPIs that were offered in the rekeying of an IKE SA, by its number.
    private var offers: [SPIPair: [UInt32: IKESPI]] = [:]

    mutating func sent(_ message: ReadMessage, by gateway: SimulatedGateway) {
        guard let payloads = message.payloads else { return }
        switch message.header.exchangeType {
        case .ikeAuth:
            guard payloads.contains(where: { $0.type == .authentication }) else { return }
            proofs[message.fingerprint] = Proof(
                gateway: gateway.index,
                life: gateway.life,
                pair: message.pair,
                identity: AuthenticationChecks.identity(payloads, message.header)
            )
        case .createChildSA: noteRekey(message, payloads)
        default: break
        }
    }

    private static func identity(
        _ payloads: [Payload],
        _ header: MessageHeader
    ) -> IdentificationPayload? {
        for payload in payloads {
            switch payload {
            case .identificationInitiator(let identity) where !header.isResponse: return identity
            case .identificationResponder(let identity) where header.isResponse: return identity
            default: continue
            }
        }
        return nil
    }

    private mutating func noteRekey(_ message: ReadMessage, _ payloads: [Payload]) {
        for case .securityAssociation(let offer) in payloads {
            guard let proposal = offer.proposals.first, proposal.securityProtocol == .ike,
                proposal.spi.count == 8
            else { continue }
            let spi = IKESPI(rawValue: proposal.spi.reduce(0) { $0 << 8 | UInt64($1) })
            // Requests of both ends may cross under one number: the flag tells them apart.
            let isOfInitiator =
                message.header.isFromOriginalInitiator != message.header.isResponse
            let number = message.header.messageID << 1 | (isOfInitiator ? 1 : 0)
            if !message.header.isResponse {
                offers[message.pair, default: [:]][number] = spi
            } else if let offered = offers[message.pair]?[number] {
                parents[SPIPair(initiator: offered, responder: spi)] = message.pair
            }
        }
    }

    mutating func received(_ bytes: [UInt8], at gateway: Int) {
        guard let proof = proofs[Fingerprint.of(bytes)], proof.gateway != gateway,
            let identity = proof.identity
        else { return }
        proven[Held(gateway: gateway, pair: proof.pair)] = identity
    }

    /// The identity that was proven to a gateway in an IKE SA, or in one that it goes back to.
    func identity(provenTo gateway: Int, in pair: SPIPair) -> IdentificationPayload? {
        var current: SPIPair? = pair
        for _ in 0..<1000 {
            guard let pair = current else { return nil }
            if let identity = proven[Held(gateway: gateway, pair: pair)] { return identity }
            current = parents[pair]
        }
        return nil
    }
}
