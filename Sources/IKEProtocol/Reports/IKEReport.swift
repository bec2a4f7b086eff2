package import IKECredentials
package import IPsecPrimitives

/// Something worth a line in the log, as data.
package struct IKEReport: Hashable, Sendable {
    package var connection: String?
    package var child: String?
    package var remote: Endpoint?
    /// The packet for which a Child SA was asked for, of a failure.
    package var packet: PacketSelector?
    package var event: Event

    package init(
        connection: String? = nil,
        child: String? = nil,
        remote: Endpoint? = nil,
        packet: PacketSelector? = nil,
        event: Event
    ) {
        self.connection = connection
        self.child = child
        self.remote = remote
        self.packet = packet
        self.event = event
    }

    package enum Event: Hashable, Sendable {
        case ikeSAEstablished(IKESADescription)
        /// With this end's SPI of the one that was replaced.
        case ikeSARekeyed(IKESADescription, replaced: IKESPI)
        case ikeSAClosed(ClosureReason)
        /// A ticket did not serve, and this end begins from scratch.
        case notResumed(String)
        case childSAEstablished(ChildSADescription)
        case childSARekeyed(ChildSADescription, replaced: SPI)
        case childSAClosed(inboundSPI: SPI, ClosureReason)
        /// The peer agreed to less than was asked for; with `isMorePossible` it would agree to more
        /// in Child SAs of their own (ADDITIONAL_TS_POSSIBLE).
        case childSANarrowed(ChildSADescription, isMorePossible: Bool)
        /// The peer gives this end addresses and settings of the inside (CFG_REPLY).
        case configurationReceived([IPAddress], InternalSettings)
        /// This end gave the peer these addresses of the inside.
        case addressesAssigned([IPAddress])
        /// The peer wants no more Child SAs of these selectors (TS_MAX_QUEUE, RFC 9611).
        case resourcesExhausted
        /// What this end started came to nothing. With a child, the IKE SA may still be up.
        case initiationFailed(NegotiationFailure)
        /// What the peer started was refused.
        case refused(NegotiationFailure)
        case retransmitting(exchange: String, attempt: Int, limit: Int)
        /// The peer answered no request until the last retransmission.
        case peerUnresponsive
        /// The peer asks for a COOKIE, and gets it.
        case cookieDemandedByPeer
        /// The peer asks for a puzzle's solution, and this end looks for it.
        case puzzleDemandedByPeer(difficulty: Int)
        /// The peer's puzzle is harder than this end is willing to solve, or of a kind unknown.
        case puzzleDeclined(NegotiationFailure)
        /// So many half-open SAs that initiators must show a COOKIE.
        case cookieDemanded(halfOpenSAs: Int)
        case otherMethodDemanded(wanted: String)
        case networkAddressTranslation(local: Bool, remote: Bool)
        /// ESP travels in another way than the configuration says, because it has to.
        case encapsulationDiffers(NegotiationFailure)
        case peerMoved(from: Endpoint, to: Endpoint)
        /// The peer sends this end to another gateway, and it goes there.
        case redirected(to: String)
        /// This end sends the peer to another gateway.
        case redirecting(to: String)
        /// This end sends and receives along another path (RFC 4555).
        case movedTo(local: Endpoint, remote: Endpoint)
        /// The TCP connection is gone, and this end opens another (RFC 9329 §6.1).
        case streamLost
        case streamReopened
        /// UDP was tried beside TCP, and does not get through.
        case udpStillBlocked
        /// The peer is silent, and so many other paths to it are tried.
        case probingPaths(count: Int)
        /// One end wanted to move, and the other cannot accept that.
        case addressesRefused(NegotiationFailure)
        /// The peer sends by an SPI that this end does not have, and is told so.
        case unknownSPI(SPI)
        /// The peer does not have an SA by which this end sends, and another is made.
        case childSAUnknownToPeer(outboundSPI: SPI)
        /// The peer sent an error that fits no exchange of ours.
        case errorFromPeer(notify: String)
    }

    package struct IKESADescription: Hashable, Sendable {
        package var initiatorSPI: IKESPI
        package var responderSPI: IKESPI
        package var isInitiator: Bool
        package var localIdentity: Identity
        package var remoteIdentity: Identity
        /// Made with a ticket from one that was lost (RFC 5723).
        package var isResumed: Bool
        package var proposal: Proposal

        /// In the configuration's keywords.
        package var suite: String { proposal.description }

        package init(
            initiatorSPI: IKESPI,
            responderSPI: IKESPI,
            isInitiator: Bool,
            localIdentity: Identity,
            remoteIdentity: Identity,
            isResumed: Bool = false,
            proposal: Proposal
        ) {
            self.initiatorSPI = initiatorSPI
            self.responderSPI = responderSPI
            self.isInitiator = isInitiator
            self.localIdentity = localIdentity
            self.remoteIdentity = remoteIdentity
            self.isResumed = isResumed
            self.proposal = proposal
        }
    }

    package struct ChildSADescription: Hashable, Sendable {
        package var inboundSPI: SPI
        package var outboundSPI: SPI
        package var proposal: Proposal
        package var localSelectors: [TrafficSelector]
        package var remoteSelectors: [TrafficSelector]
        package var isEncapsulated: Bool
        /// Along a TCP connection (RFC 9329).
        package var isStreamed = false
        /// AH rather than ESP.
        package var isAuthenticationOnly: Bool
        /// What else was agreed, in words: `transport mode`, `IPComp IPCOMP_DEFLATE`.
        package var traits: [String]

        /// In the configuration's keywords.
        package var suite: String { proposal.description }

        package init(
            inboundSPI: SPI,
            outboundSPI: SPI,
            proposal: Proposal,
            localSelectors: [TrafficSelector],
            remoteSelectors: [TrafficSelector],
            isEncapsulated: Bool,
            isAuthenticationOnly: Bool = false,
            traits: [String] = []
        ) {
            self.inboundSPI = inboundSPI
            self.outboundSPI = outboundSPI
            self.proposal = proposal
            self.localSelectors = localSelectors
            self.remoteSelectors = remoteSelectors
            self.isEncapsulated = isEncapsulated
            self.isAuthenticationOnly = isAuthenticationOnly
            self.traits = traits
        }
    }

    package enum ClosureReason: Hashable, Sendable {
        /// `terminate` or `shutDown`.
        case requested
        case deletedByPeer
        case peerUnresponsive
        /// The peer began anew (INITIAL_CONTACT) or this end did.
        case superseded
        /// The hard lifetime passed without a successful rekey.
        case expired
        case replaced
        /// The peer sent this end to another gateway, or was sent there.
        case redirected(to: String)
        /// This end has lost the address that the SA was bound to.
        case addressLost
        /// The peer has proven that it lost its state (RFC 6290).
        case peerRestarted
        /// The connection is no longer in the configuration.
        case unconfigured
        case failed(String)
    }
}
