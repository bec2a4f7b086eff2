package import IPsecPrimitives

/// What one Child SA carries and how (`tunnels:` → name).
package struct TunnelConfiguration: Equatable, Sendable {
    package enum Start: String, CaseIterable, Sendable {
        case onTraffic = "on-traffic"
        case atBoot = "at-boot"
        case byHand = "by-hand"
    }

    /// What becomes of a tunnel that was up and is lost: its peer fell silent or ended it, or its
    /// keys could not be replaced.
    package enum OnLoss: String, CaseIterable, Sendable {
        /// Begun again at once, and again until it is up.
        case restart
        /// The next packet brings it up.
        case trap
        /// It stays down until somebody, or the peer, asks for it.
        case clear

        /// What suits the way in which the tunnel starts.
        package init(after start: Start) {
            self =
                switch start {
                case .atBoot: .restart
                case .onTraffic: .trap
                case .byHand: .clear
                }
        }
    }

    /// The don't-fragment bit of the outer header (RFC 4301 §8.1).
    package enum DontFragment: String, CaseIterable, Sendable {
        case copy, set, clear
    }

    /// The DSCP of the outer header (RFC 4301 §5.1.2, RFC 2983).
    package enum DSCP: Hashable, Sendable {
        case copy
        /// 0 to 63.
        case fixed(UInt8)
    }

    /// The maximum segment size in TCP's SYNs.
    package enum MSSClamp: Hashable, Sendable {
        case off
        /// To what the tunnel's MTU leaves.
        case automatic
        /// To this many bytes.
        case fixed(UInt16)
    }

    package let path: TunnelPath
    package internal(set) var location: SourceLocation

    /// Every version that occurs here occurs in `remote`, and the other way round.
    package var local: [Located<TrafficSelector>]
    package var remote: [Located<TrafficSelector>]
    package var start: Located<Start>
    package var onLoss: Located<OnLoss>
    /// In order of preference; empty where only AH is wanted.
    package var espProposals: [Located<Proposal>]
    package var lifetime: Located<Duration>
    /// Bytes after which the SA ends; nil sets no limit of ours.
    package var lifetimeBytes: Located<UInt64?>
    /// Packets after which the SA ends; nil sets no limit of ours.
    package var lifetimePackets: Located<UInt64?>
    package var dontFragment: Located<DontFragment>
    package var dscp: Located<DSCP>
    package var mssClamp: Located<MSSClamp>
    /// Largest inner packet in bytes; nil means what the link leaves.
    package var mtu: Located<Int?>
    /// In packets.
    package var replayWindow: Located<Int>
    package var carriage: CarriageConfiguration
    /// For this tunnel alone.
    package var traffic: TrafficConfiguration?
    /// Of a connection with manual keys; nil of any other.
    package var manualKeys: ManualKeyConfiguration?
    /// Of a route-based tunnel; nil where policies choose what the tunnel carries.
    package var interface: InterfaceConfiguration?

    package var name: String { path.tunnel }

    package init(
        path: TunnelPath,
        location: SourceLocation,
        local: [Located<TrafficSelector>],
        remote: [Located<TrafficSelector>],
        start: Located<Start>,
        espProposals: [Located<Proposal>],
        lifetime: Located<Duration>,
        lifetimeBytes: Located<UInt64?>,
        lifetimePackets: Located<UInt64?>,
        dontFragment: Located<DontFragment>,
        dscp: Located<DSCP>,
        mssClamp: Located<MSSClamp>,
        mtu: Located<Int?>,
        replayWindow: Located<Int>
    ) {
        self.path = path
        self.location = location
        self.local = local
        self.remote = remote
        self.start = start
        onLoss = Located(OnLoss(after: start.value), at: location)
        self.espProposals = espProposals
        self.lifetime = lifetime
        self.lifetimeBytes = lifetimeBytes
        self.lifetimePackets = lifetimePackets
        self.dontFragment = dontFragment
        self.dscp = dscp
        self.mssClamp = mssClamp
        self.mtu = mtu
        self.replayWindow = replayWindow
        carriage = CarriageConfiguration(location: location)
    }
}
