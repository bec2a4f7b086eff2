package import IPsecPrimitives

/// What a connection says about gateways that send their clients elsewhere (RFC 5685).
package struct RedirectPolicy: Hashable, Sendable {
    /// As the initiator: whether to go where the peer says. Whoever is there has to prove the same
    /// identity.
    package var follows: Bool
    /// As the responder: where to send peers.
    package var target: RedirectTarget?
    package var moment: Moment

    package enum Moment: String, Hashable, Sendable {
        /// At the first message, before it costs anything (RFC 5685 §3).
        case first
        /// Once the peer is proven (RFC 5685 §6).
        case proven
    }

    package init(follows: Bool = false, target: RedirectTarget? = nil, moment: Moment = .first) {
        self.follows = follows
        self.target = target
        self.moment = moment
    }

    /// Where peers are sent at their first message, before they have said who they are.
    var firstTarget: RedirectTarget? { moment == .first ? target : nil }
}

/// Where a gateway sends its clients.
package enum RedirectTarget: Hashable, Sendable {
    case address(IPAddress)
    /// A name of DNS.
    case name(String)
}

extension RedirectTarget: CustomStringConvertible {
    package var description: String {
        switch self {
        case .address(let address): address.description
        case .name(let name): name
        }
    }
}

/// The peer sends this end to another gateway.
///
/// To be answered by an `IKEEvent.Initiation` for each child, with `redirectedFrom` and the
/// address there.
package struct Redirection: Hashable, Sendable {
    package var connection: String
    /// What was wanted, or is up and shall be there as well; nil: the connection's first child.
    package var children: [String?]
    package var target: RedirectTarget
    /// The gateway that says so.
    package var from: IPAddress
}
