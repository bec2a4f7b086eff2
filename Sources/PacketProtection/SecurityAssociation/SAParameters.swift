package import IPsecCrypto
package import IPsecPrimitives

/// The traffic that an SA was negotiated for: each local with each remote selector.
package struct SelectorPair: Hashable, Sendable {
    package var local: TrafficSelector
    package var remote: TrafficSelector

    package init(local: TrafficSelector, remote: TrafficSelector) {
        self.local = local
        self.remote = remote
    }

    /// Each local with each remote selector of the same IP version and of compatible protocols.
    package static func pairs(
        local: [TrafficSelector],
        remote: [TrafficSelector]
    ) -> [SelectorPair] {
        local.flatMap { left in
            remote.filter { right in
                left.version == right.version
                    && (left.ipProtocol == 0 || right.ipProtocol == 0
                        || left.ipProtocol == right.ipProtocol)
            }.map { SelectorPair(local: left, remote: $0) }
        }
    }
}

/// What becomes of the outer Don't Fragment bit (RFC 4301 §8.1).
package enum DontFragmentPolicy: Hashable, Sendable {
    case copy
    case set
    case clear
}

/// What becomes of the outer DSCP (RFC 4301 §5.1.2.1, RFC 2983).
package enum DSCPPolicy: Hashable, Sendable {
    case copy
    /// One value, 0 to 63, for every packet: a covert channel less.
    case fixed(UInt8)
}

/// What TCP's SYNs may announce as maximum segment size inside a tunnel.
package enum SegmentSizeLimit: Hashable, Sendable {
    /// Left as it is.
    case off
    /// What the tunnel's MTU leaves.
    case automatic
    /// So many octets.
    case fixed(UInt16)
}

/// An SA to send on.
package struct OutboundSAParameters: Sendable {
    package var identifier: SAIdentifier
    package var policy: PolicyIdentifier
    package var spi: SPI
    package var selectors: [SelectorPair]
    package var path: OuterPath
    /// Made for sealing.
    package var transform: PacketTransform
    package var isExtendedSequence: Bool
    package var carriage = PacketCarriage.espTunnel
    package var lifetime = SALifetime.unlimited
    /// Number of the last packet sent so far; 0 for a new SA.
    package var initialSequence: UInt64 = 0
    /// Whether numbers begin again from zero when they are used up: where the receiver does not hold
    /// them against a window (RFC 4303 §3.3.3). Without it, the SA ends with its last number.
    package var numbersCycle = false
    /// The CPI of packets that are compressed by DEFLATE, not 0; nil: none are (RFC 3173).
    package var compressionIndex: UInt16?
    package var dontFragment = DontFragmentPolicy.copy
    /// Whether IPv4 packets that are too long and may be fragmented are protected whole, and what
    /// they become is fragmented (RFC 4301 §8.2.1, case 2).
    package var fragmentsAfter = false
    package var dscp = DSCPPolicy.copy
    /// The largest outer packet in octets that the path carries.
    package var linkMTU = 1500
    /// The largest inner packet in octets; nil: what the link leaves.
    package var innerLimit: Int?
    package var segmentSizeLimit = SegmentSizeLimit.automatic
    /// Whether fragments behind the first go by it although it names ports (RFC 4301 §7.3).
    package var carriesLaterFragments = false
    /// Whether packets may use it at once; otherwise from `activateOutbound` on (RFC 7296 §2.8:
    /// the end that did not start a rekey waits for the first packet or for the delete).
    package var isActive = true
    /// Its place among SAs of the same traffic, each for another worker (RFC 9611); 0 for the first,
    /// and for one that stands alone.
    package var resource = 0
    /// The packets that it is for, by the DSCP of the inner header, among SAs of the same traffic
    /// (RFC 4301 §4.4.2.1); empty: those that none of the others is for.
    package var codePoints = CodePointSet()
    /// Of tunnel mode ESP.
    package var padding = PaddingTarget.none
    /// How many packets without content are sent a second where nothing else is; tunnel mode ESP.
    package var dummiesPerSecond = 0
    /// Set for `espAggregated`, and only there.
    package var train: TrainParameters?

    package init(
        identifier: SAIdentifier,
        policy: PolicyIdentifier,
        spi: SPI,
        selectors: [SelectorPair],
        path: OuterPath,
        transform: PacketTransform,
        isExtendedSequence: Bool
    ) {
        self.identifier = identifier
        self.policy = policy
        self.spi = spi
        self.selectors = selectors
        self.path = path
        self.transform = transform
        self.isExtendedSequence = isExtendedSequence
    }
}

/// An SA to receive on.
package struct InboundSAParameters: Sendable {
    package var identifier: SAIdentifier
    package var policy: PolicyIdentifier
    package var spi: SPI
    /// From this gateway's view, as for the outbound SA: local is the inner destination.
    package var selectors: [SelectorPair]
    package var path: OuterPath
    /// Made for opening.
    package var transform: PacketTransform
    package var isExtendedSequence: Bool
    package var carriage = PacketCarriage.espTunnel
    /// Set in transport mode where a NAT changes addresses.
    package var originalEnds: OriginalEnds?
    package var lifetime = SALifetime.unlimited
    /// Whether fragments behind the first may come by it although it names ports (RFC 4301 §7.3).
    package var carriesLaterFragments = false
    /// Packets that the replay window covers, `ReplayWindow.sizes`.
    package var replayWindow = 1024
    /// False where the sender's numbers begin anew when it restarts, as those of manual keys do
    /// (RFC 4303 §3.3.3); then the numbers have 32 bits.
    package var refusesReplays = true
    /// The CPI by which packets may come that are compressed by DEFLATE, not 0; nil: none (RFC 3173).
    package var compressionIndex: UInt16?
    /// The highest number received so far; 0 for a new SA.
    package var initialSequence: UInt64 = 0
    /// Whether an authenticated packet from a new place moves the peer (RFC 7296 §2.23): true
    /// where the peer is behind a NAT.
    package var followsPeer = false
    /// Whether only packets between the addresses of `path` are a sign that the peer lives and knows
    /// where this end is (RFC 4555 §3.12).
    package var isMobile = false
    /// Set for `espAggregated`, and only there.
    package var reassembly: ReassemblyParameters?
    /// The largest outer packet in octets that the path carries, for clamping the MSS.
    package var linkMTU = 1500
    /// The largest inner packet in octets; nil: what the link leaves.
    package var innerLimit: Int?
    package var segmentSizeLimit = SegmentSizeLimit.automatic

    package init(
        identifier: SAIdentifier,
        policy: PolicyIdentifier,
        spi: SPI,
        selectors: [SelectorPair],
        path: OuterPath,
        transform: PacketTransform,
        isExtendedSequence: Bool
    ) {
        self.identifier = identifier
        self.policy = policy
        self.spi = spi
        self.selectors = selectors
        self.path = path
        self.transform = transform
        self.isExtendedSequence = isExtendedSequence
    }
}

extension OutboundSAParameters {
    /// An SA of ESP.
    package init(
        identifier: SAIdentifier,
        policy: PolicyIdentifier,
        spi: SPI,
        selectors: [SelectorPair],
        path: OuterPath,
        cipher: PacketCipher,
        isExtendedSequence: Bool
    ) {
        self.init(
            identifier: identifier,
            policy: policy,
            spi: spi,
            selectors: selectors,
            path: path,
            transform: .cipher(cipher),
            isExtendedSequence: isExtendedSequence
        )
    }
}

extension InboundSAParameters {
    /// An SA of ESP.
    package init(
        identifier: SAIdentifier,
        policy: PolicyIdentifier,
        spi: SPI,
        selectors: [SelectorPair],
        path: OuterPath,
        cipher: PacketCipher,
        isExtendedSequence: Bool
    ) {
        self.init(
            identifier: identifier,
            policy: policy,
            spi: spi,
            selectors: selectors,
            path: path,
            transform: .cipher(cipher),
            isExtendedSequence: isExtendedSequence
        )
    }
}
