/// Why a negotiation failed, for whoever has to mend the configuration.
package struct NegotiationFailure: Error, Hashable, Sendable {
    package enum Subject: String, Hashable, Sendable {
        case connection
        case ikeProposal
        case childProposal
        case keyExchange
        case trafficSelectors
        /// A Child SA for each pair of addresses is wanted (SINGLE_PAIR_REQUIRED).
        case singlePair
        /// Tunnel or transport mode.
        case childMode
        /// AGGFRAG payloads, IP-TFS (RFC 9347).
        case aggregation
        /// An address of the inside, asked for or given.
        case internalAddress
        case identity
        case secret
        /// A ticket (RFC 5723).
        case resumption
        case encapsulation
        case peerUnresponsive
        case refusedByPeer
        case malformedMessage
        case resources
    }

    package var subject: Subject
    /// One sentence.
    package var explanation: String
    /// What the peer offered, in the configuration's words. Empty where nothing was offered.
    package var offered: [String]
    /// What our configuration accepts.
    package var accepted: [String]
    /// The pair that came nearest, and what keeps it apart.
    package var nearest: String?
    /// `file:line` of what to change on this side.
    package var source: String?
    /// What to do, one sentence.
    package var remedy: String

    package init(
        subject: Subject,
        explanation: String,
        offered: [String] = [],
        accepted: [String] = [],
        nearest: String? = nil,
        source: String? = nil,
        remedy: String
    ) {
        self.subject = subject
        self.explanation = explanation
        self.offered = offered
        self.accepted = accepted
        self.nearest = nearest
        self.source = source
        self.remedy = remedy
    }
}
