internal import IKEMessages
internal import IPsecPrimitives

/// Whether IKE_AUTH goes without a Child SA (RFC 6023); the children then come by
/// CREATE_CHILD_SA, with key exchanges of their own.
package enum Childless: Hashable, Sendable {
    /// Neither as initiator nor for the peer.
    case never
    /// Where the peer wants it.
    case allow
    /// Also as initiator, where the peer can.
    case prefer
    /// Always: no child is begun, or accepted, in IKE_AUTH.
    case force
}

extension IKEEngine {
    /// Whether our IKE_AUTH goes without a child.
    ///
    /// - Throws: when it has to, and the peer cannot.
    func goesChildless(_ sa: IKESA) throws(NegotiationFailure) -> Bool {
        switch sa.connection.childless {
        case .never, .allow: return false
        case .prefer: return sa.agreed.contains(.childless)
        case .force:
            guard sa.agreed.contains(.childless) else {
                throw NegotiationFailure(
                    subject: .refusedByPeer,
                    explanation: "The peer cannot set up an IKE SA without a Child SA (RFC 6023), "
                        + "which childless: force demands.",
                    source: sa.connection.childlessSource,
                    remedy: "Write prefer at \(sa.connection.childlessSource), or let the peer "
                        + "support it."
                )
            }
            return true
        }
    }

    /// Refuses the child in a peer's IKE_AUTH where none is wanted there. RFC 9370 §2.2.5.1: "the
    /// responder may respond with non-fatal error such as NO_PROPOSAL_CHOSEN".
    func requireChildless(_ connection: IKEConnection) throws(ChildRefusal) {
        guard connection.childless == .force else { return }
        throw ChildRefusal(
            .noProposalChosen,
            NegotiationFailure(
                subject: .connection,
                explanation: "The peer wants a Child SA in IKE_AUTH, and childless is force here.",
                source: connection.childlessSource,
                remedy: "Let the peer set up the IKE SA without a Child SA (RFC 6023), or write "
                    + "prefer at \(connection.childlessSource)."
            )
        )
    }
}
