package import IPsecPrimitives

/// What the engine learns from outside.
package enum IKEEvent: Sendable {
    case datagram(IKEDatagram)
    /// `nextTimeout` has come. Harmless when it has not.
    case timeout
    case initiate(Initiation)
    /// Somebody wants the connection now, and may have mended what the peer refused: a first request
    /// that was refused without proof, and waits for a better answer, goes out again.
    case askAgain(connection: String)
    /// Closes one Child SA, or, without a child, the connection's IKE SAs and all their children.
    case terminate(connection: String, child: String?)
    /// Replaces the connection's IKE SAs, although they are not old yet.
    case rekeyIKESA(connection: String)
    /// The packet path reports that an SA's bytes, packets or sequence numbers run out; `soft` also when
    /// somebody asks for new keys.
    case childLifetimeReached(inboundSPI: SPI, limit: LifetimeLimit)
    /// The packet path cannot take an SA, for this reason: its peer must know that nobody has it.
    case discardChildSA(inboundSPI: SPI, String)
    /// The first authentic packet arrived on a new inbound SA; then the peer surely has the SA's
    /// other half (RFC 7296 §2.8).
    case childSAInUse(inboundSPI: SPI)
    /// Authentic packets arrived lately: the peer lives, no need to ask (RFC 7296 §2.4).
    case trafficReceived(inboundSPI: SPI)
    /// An authentic ESP-in-UDP packet came from another endpoint than known (RFC 7296 §2.23).
    case peerEndpointChanged(inboundSPI: SPI, remote: Endpoint)
    /// An ESP or AH packet came by an SPI that no SA of ours has; port 0 where it was not in UDP.
    case unknownSPI(SPI, from: Endpoint)
    /// Is the peer of a connection still there? Asked at once, although it may have been heard of.
    case probe(connection: String)
    /// Does the path to the peer of this Child SA carry an IP datagram of so many octets (RFC 8899)?
    /// Answered by `IKEEffect.pathMTUProbed`, unless the peer takes no fragments or another probe is
    /// under way.
    case probePathMTU(inboundSPI: SPI, octets: Int)
    /// The host's addresses, at the beginning and whenever one comes or goes or a route changes.
    case localAddressesChanged([IPAddress])
    /// Answers `IKEEffect.findRoute`; a local address of nil: no route leads there.
    case routeFound(remote: IPAddress, local: IPAddress?)
    /// Answers `IKEEffect.openStream`: the prefix of RFC 9329 §4 is on its way.
    case streamOpened(StreamAttempt, local: Endpoint, remote: Endpoint)
    /// Answers `IKEEffect.openStream`, with the reason in words.
    case streamFailed(StreamAttempt, String)
    /// A TCP connection, whoever opened it, has ended otherwise than by `IKEEffect.closeStream`.
    case streamClosed(local: Endpoint, remote: Endpoint)
    /// Ends all SAs, telling each peer once.
    case shutDown

    package enum LifetimeLimit: Hashable, Sendable {
        /// Time to replace the SA.
        case soft
        /// The SA must not be used any more.
        case hard
    }

    /// A wish for an SA.
    package struct Initiation: Hashable, Sendable {
        package var connection: String
        /// Nil brings up the IKE SA with every child of the connection whose start is wanted by
        /// the caller through events of their own; the first child goes with IKE_AUTH.
        package var child: String?
        /// Our address where the connection names none, as the routing table tells it.
        package var localAddress: IPAddress?
        /// The peer's address where the connection names none or a host name.
        package var remoteAddress: IPAddress?
        /// The packet that asks for the SA; its own selector goes first (RFC 7296 §2.9).
        package var packet: PacketSelector?
        /// Which of the Child SAs of the same selectors is wanted (RFC 9611); nil: any.
        package var resource: Int?
        /// Of which packets, by their DSCP, the one that is wanted is (RFC 4301 §4.1); empty: of
        /// those that have none of their own; nil: any.
        package var codePoints: CodePointSet?
        /// Nothing but the packet's addresses, because the peer wants it so (SINGLE_PAIR_REQUIRED).
        var isOnlyPair = false
        /// What a Child SA of another IKE SA carries, in whose place this one is wanted; nil: whatever
        /// the policy and the packet say.
        var selectors: TrafficSelectorPair?
        /// By what the first message travels; nil: as the connection says, UDP where it leaves it
        /// open.
        package var transport: IKETransport?
        /// The gateway that sent us to this one, as `IKEEffect.redirected` told.
        package var redirectedFrom: IPAddress?

        package init(
            connection: String,
            child: String?,
            localAddress: IPAddress? = nil,
            remoteAddress: IPAddress? = nil,
            packet: PacketSelector? = nil,
            resource: Int? = nil
        ) {
            self.connection = connection
            self.child = child
            self.localAddress = localAddress
            self.remoteAddress = remoteAddress
            self.packet = packet
            self.resource = resource
        }
    }
}

/// Both ends of one outbound packet.
package struct PacketSelector: Hashable, Sendable {
    package var source: TrafficSelector
    package var destination: TrafficSelector

    package init(source: TrafficSelector, destination: TrafficSelector) {
        self.source = source
        self.destination = destination
    }
}
