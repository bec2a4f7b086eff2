internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// IKE_SESSION_RESUME, the initiator's side, where it differs from IKE_SA_INIT (RFC 5723 §4.3.2).
///
/// Whatever comes instead of an answer, this end begins from scratch: that is what a ticket only
/// shortens. Nobody vouches for a refusal here, and whoever forges one forces a full exchange upon
/// us, no more.
extension IKEEngine {
    /// Sendings after which a silent peer is tried from scratch: it may have forgotten what tickets
    /// are, or be away, and then the ticket is for the next time.
    static let resumptionTries = 3

    func receiveResumeRefusal(
        _ content: MessageContent,
        _ sa: IKESA,
        _ state: Initiating,
        at now: Instant
    ) {
        guard let refusal = content.notify(.ticketNACK) ?? content.error else {
            return counters.drop(.malformed)
        }
        // RFC 5723 §4.3.2: "In that case, the initiator should re-initiate a regular IKE exchange."
        forgetTicket(of: sa.connection.name)
        beginFromScratch(
            insteadOf: sa,
            state,
            because: "the peer refuses the ticket with \(refusal.type)",
            at: now
        )
    }
}

extension SAKeys {
    convenience init?(resuming ticket: SessionTicket, _ context: IKEKeys.Context) {
        self.init(
            suite: ticket.suite,
            resuming: ticket.derivation,
            isOriginalInitiator: true,
            context: context
        )
    }
}
