package import IPsecCrypto
package import IPsecPrimitives

/// The outer addresses of a Child SA.
package struct ChildSAPath: Hashable, Sendable {
    /// With `isEncapsulated`, the UDP endpoints; else only the addresses count.
    package var local: Endpoint
    package var remote: Endpoint
    /// ESP in UDP (RFC 3948) rather than IP protocol 50.
    package var isEncapsulated: Bool

    package init(local: Endpoint, remote: Endpoint, isEncapsulated: Bool) {
        self.local = local
        self.remote = remote
        self.isEncapsulated = isEncapsulated
    }
}

/// A pair of ESP SAs that was just negotiated, ready for the packet path. Tunnel mode.
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
