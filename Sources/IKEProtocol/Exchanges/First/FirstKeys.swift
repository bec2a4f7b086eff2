internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// Where the initiator gets the keys of a new IKE SA from; that tells its first exchange.
///
///     HDR, [N(COOKIE),] SAi1, KEi, Ni         -->
///                                             <--  HDR, SAr1, KEr, Nr
///
///     HDR, [N(COOKIE),] Ni, N(TICKET_OPAQUE)  -->
///                                             <--  HDR, Nr
enum FirstKeys {
    /// A key exchange, by IKE_SA_INIT (RFC 7296 §1.2, §2.14).
    case exchanged(KeyExchangeKeyPair, offer: SecurityAssociationPayload)
    /// The session that a ticket stands for, by IKE_SESSION_RESUME (RFC 5723 §4.3.2, §5.1).
    case resumed(SessionTicket)

    var isResumed: Bool { if case .resumed = self { true } else { false } }

    var exchange: IKEExchange { isResumed ? .ikeSessionResume : .ikeSAInit }

    /// How often a peer may send us back to the beginning: a COOKIE, a puzzle, another method, and
    /// once more each, for a responder that restarted meanwhile. From a ticket there is another way
    /// on.
    var restartLimit: Int { isResumed ? 3 : 6 }

    /// What the request asks with.
    func payloads(_ nonce: [UInt8]) -> [Payload] {
        let nonce = Payload.nonce(NoncePayload(nonce: nonce))
        switch self {
        case .exchanged(let pair, let offer):
            let value = KeyExchangePayload(method: pair.method, data: pair.publicValue)
            return [.securityAssociation(offer), .keyExchange(value), nonce]
        case .resumed(let ticket):
            return [nonce, .notify(NotifyPayload(.ticketOpaque, data: ticket.opaque))]
        }
    }

    /// Whether this is an answer to that, and not a refusal or a demand.
    func areAnswered(by content: MessageContent) -> Bool {
        isResumed ? content.nonce != nil : content.securityAssociation != nil
    }

    /// The notifications of what this end can do that have a meaning here.
    func notifies(of support: [Payload]) -> [Payload] {
        isResumed ? support.filter(\.isOfResumption) : support
    }

    /// What both ends can, of what their messages say.
    func extensions(_ agreed: AgreedExtensions) -> AgreedExtensions {
        guard case .resumed(let ticket) = self else { return agreed }
        return agreed.resumed(isSignedInFull: ticket.isSignedInFull)
    }
}

extension Payload {
    /// Not a PPK, which "MUST NOT be used" in resumption (RFC 8784 §3), and not the full transcript,
    /// which is from the ticket (draft-ietf-ipsecme-ikev2-downgrade-prevention-08 §7.2).
    var isOfResumption: Bool {
        guard case .notify(let notify) = self else { return true }
        return notify.type != .usePPK && notify.type != .ikeSAInitFullTranscriptAuth
    }
}

extension AgreedExtensions {
    /// The same of them as `Payload.isOfResumption`.
    func resumed(isSignedInFull: Bool) -> AgreedExtensions {
        let agreed = subtracting([.ppk, .fullTranscript])
        return isSignedInFull ? agreed.union(.fullTranscript) : agreed
    }
}
