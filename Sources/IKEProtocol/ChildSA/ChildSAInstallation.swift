internal import IKECredentials
package import IPsecCrypto
package import IPsecPrimitives

/// The outer addresses of a Child SA.
package struct ChildSAPath: Hashable, Sendable {
    /// With `isEncapsulated`, the UDP endpoints; else only the addresses count.
    package var local: Endpoint
    package var remote: Endpoint
    /// ESP in UDP (RFC 3948) rather than IP protocol 50.
    package var isEncapsulated: Bool
    /// By TCP, packets go along the connection between the two endpoints (RFC 9329 §3.2).
    package var transport: IKETransport

    package init(
        local: Endpoint,
        remote: Endpoint,
        isEncapsulated: Bool,
        transport: IKETransport = .udp
    ) {
        self.local = local
        self.remote = remote
        self.isEncapsulated = isEncapsulated
        self.transport = transport
    }
}

/// A pair of SAs that was just negotiated, ready for the packet path.
package struct ChildSAInstallation: Sendable {
    package var connection: String
    package var child: String
    /// The SPI that we chose: packets to us carry it. It names the pair in all later effects.
    package var inboundSPI: SPI
    /// The SPI that the peer chose: packets from us carry it.
    package var outboundSPI: SPI
    package var inboundKeys: ESPKeys
    package var outboundKeys: ESPKeys
    package var encryption: Transform
    /// Nil with an AEAD.
    package var integrity: IntegrityAlgorithm?
    /// 64-bit sequence numbers (RFC 4303 §2.2.1).
    package var isExtendedSequence: Bool
    /// As agreed, which may be narrower than configured. Never empty.
    package var localSelectors: [TrafficSelector]
    package var remoteSelectors: [TrafficSelector]
    package var path: ChildSAPath
    /// The inbound SPI of the pair that this one replaces.
    package var replaces: SPI?
    /// Whether traffic uses the outbound half at once; else `useChildSAOutbound` follows.
    package var isUsedOutboundAtOnce: Bool
    package var peerIdentity: String
    /// ESP or AH; with AH, `encryption` is ENCR_NULL and its keys are empty.
    package var securityProtocol = SecurityProtocol.esp
    package var mode = ChildMode.tunnel
    /// In transport mode behind a NAT, the addresses as the peer knows them.
    package var original: OriginalAddresses?
    package var compression: CompressionAssociation?
    /// Whether the peer takes packets with padding for traffic flow confidentiality.
    package var peerAcceptsPadding = true
    /// Whether later fragments may go by this SA though their ports cannot be seen.
    package var carriesLaterFragments = false
    /// Set where several pairs of the same selectors are kept (RFC 9611).
    package var resource: ChildResource?
    /// Which packets this end sends by it, by their DSCP; empty: those that have none of their own.
    package var codePoints = CodePointSet()
    /// Set where packets go in AGGFRAG payloads (RFC 9347).
    package var aggregation: Aggregation?
    /// Whether this end began the exchange that made the pair.
    package var isInitiator = false
    /// Whether both ends may change their addresses (MOBIKE).
    package var isMobile = false
    /// Whether nothing was negotiated: SPIs and keys are the configuration's (RFC 4301 §4.5.1).
    package var isManual = false

    package init(
        connection: String,
        child: String,
        inboundSPI: SPI,
        outboundSPI: SPI,
        inboundKeys: ESPKeys,
        outboundKeys: ESPKeys,
        encryption: Transform,
        integrity: IntegrityAlgorithm?,
        isExtendedSequence: Bool,
        localSelectors: [TrafficSelector],
        remoteSelectors: [TrafficSelector],
        path: ChildSAPath,
        replaces: SPI?,
        isUsedOutboundAtOnce: Bool,
        peerIdentity: String
    ) {
        self.connection = connection
        self.child = child
        self.inboundSPI = inboundSPI
        self.outboundSPI = outboundSPI
        self.inboundKeys = inboundKeys
        self.outboundKeys = outboundKeys
        self.encryption = encryption
        self.integrity = integrity
        self.isExtendedSequence = isExtendedSequence
        self.localSelectors = localSelectors
        self.remoteSelectors = remoteSelectors
        self.path = path
        self.replaces = replaces
        self.isUsedOutboundAtOnce = isUsedOutboundAtOnce
        self.peerIdentity = peerIdentity
    }
}

extension ChildInstallationPlan {
    func installation(
        of sa: IKESA,
        _ state: Established,
        isUsedOutboundAtOnce: Bool
    ) -> ChildSAInstallation {
        var installation = ChildSAInstallation(
            connection: sa.connection.name,
            child: child.policy.name,
            inboundSPI: child.inboundSPI,
            outboundSPI: child.outboundSPI,
            inboundKeys: inboundKeys,
            outboundKeys: outboundKeys,
            encryption: child.suite.encryption,
            integrity: child.suite.integrity,
            isExtendedSequence: child.suite.isExtendedSequence,
            localSelectors: child.selectors.local,
            remoteSelectors: child.selectors.remote,
            path: sa.childPath,
            replaces: child.replaces,
            isUsedOutboundAtOnce: isUsedOutboundAtOnce,
            peerIdentity: state.remoteIdentity.description
        )
        installation.securityProtocol = child.suite.securityProtocol
        installation.mode = child.traits.mode
        installation.original = child.traits.original
        installation.compression = child.traits.compression
        installation.peerAcceptsPadding = child.traits.peerAcceptsPadding
        installation.carriesLaterFragments = child.traits.carriesLaterFragments
        installation.resource = child.traits.resource
        installation.codePoints = child.traits.codePoints
        installation.aggregation = child.traits.aggregation
        installation.isInitiator = child.isInitiator
        installation.isMobile = sa.mobility != nil
        return installation
    }
}
