package import IPsecPrimitives

/// What control asks of the packet path; carried to the workers and applied between batches.
package enum PacketPathCommand: Sendable {
    case installOutbound(OutboundSAParameters)
    case installInbound(InboundSAParameters)
    /// From now on the policy's packets prefer this SA (make before break).
    case activateOutbound(SAIdentifier)
    case removeSA(SAIdentifier)
    /// The peer, or this end, has moved; also when a mapped port changed.
    case updatePath(SAIdentifier, OuterPath)
    /// The path carries no more than so many octets of outer packet (RFC 1191, RFC 8201).
    case setLinkMTU(SAIdentifier, octets: Int)
    /// The whole ordered policy database; SAs stay.
    case replacePolicies([PolicyEntry])
    /// The same, made ready for the search by who posts it: for many policies that takes time.
    case adoptPolicies(CompiledPolicies)
    /// Negotiation failed: forget what waits for an SA of this policy.
    case dropHeldPackets(PolicyIdentifier)
    /// The same of what waits between two hosts, by their protocol.
    case dropHeldFlow(PolicyIdentifier, PacketTuple)
    /// The address that errors to the inside are sent from, IPv6.
    case setErrorSource(IPv6Address?)
    /// How much may leave, and what leaves first.
    case setTraffic(TrafficPlan)
    /// Answered by an event `snapshot` of each direction with the same token.
    case query(token: UInt64)
    /// What would become of such a packet? Answered by an event `answer` of each direction with the
    /// same token.
    case ask(token: UInt64, PacketTuple)
    /// Tells of packets from now on. A sink takes from one worker.
    case beginTrace(TraceTap)
    case endTrace(UInt64)

    /// Who has to apply it.
    package enum Direction: Hashable, Sendable {
        case outbound
        case inbound
        case both
    }

    package var direction: Direction {
        switch self {
        case .installOutbound, .activateOutbound, .dropHeldPackets, .dropHeldFlow,
            .setErrorSource, .setTraffic:
            .outbound
        case .installInbound: .inbound
        case .replacePolicies, .adoptPolicies, .removeSA, .updatePath, .setLinkMTU, .query,
            .ask,
            .beginTrace,
            .endTrace:
            .both
        }
    }

    /// The way that an SA takes from this command on; nil where it says nothing of that.
    package var path: OuterPath? {
        switch self {
        case .installOutbound(let parameters): parameters.path
        case .installInbound(let parameters): parameters.path
        case .updatePath(_, let path): path
        default: nil
        }
    }
}
