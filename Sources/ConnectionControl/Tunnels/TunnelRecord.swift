package import Configuration
internal import IKEProtocol
package import IPsecPrimitives
package import PacketProtection

/// What control knows of one connection of the configuration.
struct ConnectionRecord {
    var configuration: ConnectionConfiguration
    /// Its tunnels, in the order of the file.
    var paths: [TunnelPath]
    var search = PeerSearch()
    var transport = TransportChoice()
    /// Traffic that comes by SAs of before does not count until then.
    var strayTrafficHeedAt: Instant = .origin
    /// The last thing that went wrong.
    var failure: RecordedFailure?

    init(_ configuration: ConnectionConfiguration) {
        self.configuration = configuration
        paths = configuration.tunnels.map(\.path)
    }
}

/// What control knows of one tunnel of the configuration.
struct TunnelRecord {
    var configuration: TunnelConfiguration
    let policy: PolicyIdentifier
    /// Inbound SPIs of the pairs in place, oldest first: those of parts of its traffic, several
    /// of the same, and for a while the old and the new of a rekey.
    var pairs: [SPI] = []
    /// A negotiation that would bring the tunnel up is under way.
    var isInitiating = false
    /// What happens while it is down.
    var standby: TunnelConfiguration.OnLoss
    /// Ended by hand; traffic and a request bring it up again, but nothing else.
    var isHeldDown = false
    /// Asked for by hand while it was being ended by hand: it comes back once that is done.
    var isAskedForAgain = false
    /// Failures in a row.
    var failures = 0
    /// Packets do not begin a negotiation before this, because the last one failed.
    var quietUntil: Instant = .origin
    /// When the tunnel came up last.
    var upSince: Instant = .origin
    /// Only a packet can bring it up: the peer wants an SA for each pair of addresses.
    var needsPacket = false
    /// What further pairs are being negotiated for.
    var underWay = PairsUnderWay()
    var refused = RefusedTraffic()
    /// This end sees to it that there are as many pairs of the same traffic as configured.
    var keepsResources = false
    /// Pairs in a row, beside others, that ended soon and left their place empty.
    var lostFurtherPairs = 0
    /// Of a tunnel with pairs for some DSCPs alone.
    var classes = ClassPairs()

    init(configuration: TunnelConfiguration, policy: PolicyIdentifier) {
        self.configuration = configuration
        self.policy = policy
        standby = TunnelConfiguration.OnLoss(after: configuration.start.value)
    }

    var isUp: Bool { !pairs.isEmpty }

    /// Whether a pair is of use for packets like the one that it was made for, and for no others.
    var hasPairsByPacket: Bool { !configuration.carriage.populated.value.isEmpty }

    var backOff: Duration { BackOff.wait(after: failures) }
}

/// A pair of SAs of a tunnel, in the packet path's names.
package struct ChildSAPair: Hashable, Sendable {
    package let tunnel: TunnelPath
    package let inboundSPI: SPI
    package let outboundSPI: SPI
    package let inbound: SAIdentifier
    package let outbound: SAIdentifier
    let traffic: PairTraffic
    let installedAt: Instant
    /// The peer's outer address.
    var remoteAddress: IPAddress
    /// Whether new packets leave by it.
    package var isOutboundActive: Bool
    /// Rank of its last activation among all pairs; 0: its outbound half was never used.
    var activation: UInt64 = 0
    /// The outbound SA that it takes the place of, where that one is for other DSCPs.
    var reclassified: SAIdentifier?
    /// Whether nothing but the configuration made it.
    var isManual = false
    /// When the last inbound packet was seen by a reading of the counters.
    var lastInboundUse: Instant?
}

/// What a tunnel is doing.
package enum TunnelState: Hashable, Sendable {
    case down
    case waitingForTraffic
    case connecting
    case up
}
