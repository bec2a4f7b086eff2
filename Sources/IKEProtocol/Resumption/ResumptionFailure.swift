internal import IKECredentials
internal import IPsecPrimitives

/// Words for tickets that do not serve.
enum ResumptionFailure {
    /// Of a request that nobody vouches for.
    static func unreadable() -> NegotiationFailure {
        failure(
            "A peer shows a ticket that is not one of ours: forged, damaged, or made with a key "
                + "that is gone.",
            nil,
            "None: the peer begins from scratch."
        )
    }

    static func unsupported() -> NegotiationFailure {
        failure(
            "A peer shows a ticket, and this end gives none.",
            nil,
            "None: the peer begins from scratch."
        )
    }

    static func expired(_ content: TicketContent) -> NegotiationFailure {
        failure(
            "The ticket of \(content.remoteIdentity) has expired.",
            nil,
            "None: the peer begins from scratch."
        )
    }

    static func used(_ content: TicketContent) -> NegotiationFailure {
        failure(
            "The ticket of \(content.remoteIdentity) was used before, or its IKE SA was ended.",
            nil,
            "None: the peer begins from scratch. Should this happen often, the peer keeps tickets "
                + "that it must not keep."
        )
    }

    static func crowded(_ content: TicketContent) -> NegotiationFailure {
        failure(
            "The ticket of \(content.remoteIdentity) is being shown several times at once.",
            nil,
            "None: somebody repeats a message of the peer's."
        )
    }

    static func reconfigured(
        _ content: TicketContent,
        _ connection: IKEConnection?
    ) -> NegotiationFailure {
        failure(
            "The ticket of \(content.remoteIdentity) was given when the configuration said "
                + "something else.",
            connection?.source,
            "None: the peer begins from scratch."
        )
    }

    static func otherIdentity(
        _ identity: Identity,
        _ content: TicketContent,
        _ connection: IKEConnection
    ) -> NegotiationFailure {
        var failure = failure(
            "The peer resumes the session of \(content.remoteIdentity) and says that it is "
                + "\(identity) (RFC 5723 §4.3.3).",
            connection.source,
            "The peer errs, or uses what is not its own."
        )
        failure.offered = [identity.description]
        failure.accepted = [content.remoteIdentity.description]
        return failure
    }

    static func otherGateway(
        _ identity: Identity,
        _ ticket: SessionTicket,
        _ connection: IKEConnection
    ) -> NegotiationFailure {
        var failure = failure(
            "The peer resumes the session with \(ticket.remoteIdentity) and says that it is "
                + "\(identity) (RFC 5723 §4.3.3).",
            connection.source,
            "The peer errs."
        )
        failure.offered = [identity.description]
        failure.accepted = [ticket.remoteIdentity.description]
        return failure
    }

    static func unproven(_ identity: Identity, _ connection: IKEConnection) -> NegotiationFailure {
        failure(
            "The peer does not prove that it has the keys of the session of \(identity) that it "
                + "resumes.",
            connection.source,
            "None: the next IKE SA is made from scratch."
        )
    }

    private static func failure(
        _ explanation: String,
        _ source: String?,
        _ remedy: String
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .resumption,
            explanation: explanation,
            source: source,
            remedy: remedy
        )
    }
}
