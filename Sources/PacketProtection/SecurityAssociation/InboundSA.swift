internal import IPsecCrypto
internal import IPsecPrimitives

/// An inbound SA as the worker keeps it: one flat struct a slot.
@safe struct InboundSA {
    var window: ReplayWindow
    let transform: HeldTransform
    let carriage: PacketCarriage
    let ends: TransportEnds
    let isExtended: Bool
    let followsPeer: Bool
    let isMobile: Bool
    var hasReportedSoft = false
    var hasReportedHard = false
    var hasReportedFirst = false
    /// Whether its life is over: it carries nothing any more, however little is left of a limit.
    var isSpent = false
    let ivLength: Int
    let icvLength: Int
    let blockMask: Int
    private(set) var segmentSizeV4: UInt16 = 0
    private(set) var segmentSizeV6: UInt16 = 0
    private let innerLimit: Int
    private let segmentSizeLimit: SegmentSizeLimit
    let spi: UInt32
    let identifier: UInt32
    let policy: UInt32
    /// What every packet is held against first; empty where `watched` has them instead.
    let selectors: SelectorList
    /// Those of an SA whose fragments need more than a comparison; nil for any other.
    private let watched: UnsafeMutablePointer<SelectorList>?
    let carriesLaterFragments: Bool
    /// Of an SA by which a train comes; nil for any other.
    let unpacker: UnsafeMutablePointer<AggregateUnpacker>?
    /// The CPI that we chose (RFC 3173 §3.3); 0 where nothing may come compressed.
    let compressionIndex: UInt16
    /// Whether what comes out of its packets may be longer than what came.
    let mayGrow: Bool
    var compressed = CompressionCount()
    /// Number of the device that its packets are written to.
    var device: UInt16 = 0
    var octets: UInt64 = 0
    var packets: UInt64 = 0
    /// When a packet last came by the path that it should.
    var lastUse: UInt64 = 0
    var lifetime: SALifetime
    var replayDrops: UInt64 = 0
    var authenticationFailures: UInt64 = 0
    var selectorMismatches: UInt64 = 0
    var path: OuterPath
    /// Where the newest packet came from.
    var seenPeer: Endpoint
    /// Where control believes the peer to be, so that a move is told once.
    var reportedPeer: Endpoint
    /// When a move may be told again, in nanoseconds.
    var nextReport: UInt64 = 0
    /// Whether a move waits to be told.
    var hasUntoldMove = false

    init(_ parameters: InboundSAParameters) {
        window =
            parameters.refusesReplays
            ? ReplayWindow(
                size: min(
                    max(parameters.replayWindow, ReplayWindow.sizes.lowerBound),
                    ReplayWindow.sizes.upperBound
                ),
                highest: parameters.initialSequence
            ) : .open
        transform = HeldTransform(parameters.transform)
        carriage = parameters.carriage
        ends = TransportEnds(parameters)
        isExtended = parameters.isExtendedSequence
        followsPeer = parameters.followsPeer
        isMobile = parameters.isMobile
        let shape = TransformShape(transform, parameters.path.version)
        ivLength = shape.iv
        icvLength = shape.icv
        blockMask = shape.block - 1
        spi = parameters.spi.rawValue
        identifier = parameters.identifier.rawValue
        policy = parameters.policy.rawValue
        carriesLaterFragments = parameters.carriesLaterFragments
        compressionIndex = parameters.compressionIndex ?? 0
        mayGrow =
            compressionIndex != 0 || carriage == .espTransport || carriage == .espAggregated
        let isOpaque = parameters.selectors.contains {
            $0.local.ports.isOpaque || $0.remote.ports.isOpaque
        }
        if carriesLaterFragments || isOpaque {
            selectors = SelectorList([])
            let memory = UnsafeMutablePointer<SelectorList>.allocate(capacity: 1)
            unsafe memory.initialize(to: SelectorList(parameters.selectors))
            unsafe watched = memory
        } else {
            selectors = SelectorList(parameters.selectors)
            unsafe watched = nil
        }
        if carriage == .espAggregated {
            let memory = UnsafeMutablePointer<AggregateUnpacker>.allocate(capacity: 1)
            unsafe memory.initialize(
                to: AggregateUnpacker(
                    parameters.reassembly ?? ReassemblyParameters(),
                    next: parameters.initialSequence &+ 1,
                    payloadOctets: max(parameters.linkMTU, InboundSA.leastPayload)
                )
            )
            unsafe unpacker = memory
        } else {
            unsafe unpacker = nil
        }
        lifetime = parameters.lifetime
        path = parameters.path
        seenPeer = parameters.path.remote
        reportedPeer = parameters.path.remote
        innerLimit = parameters.innerLimit ?? .max
        segmentSizeLimit = parameters.segmentSizeLimit
        setLinkMTU(parameters.linkMTU)
    }

    /// Octets of payload that may wait for others: those of Ethernet, where the path carries less.
    private static let leastPayload = 1500

    /// Whether its packets must be looked at one by one.
    var isWatched: Bool { unsafe watched != nil }
    /// What it was agreed on for.
    var agreedSelectors: SelectorList { unsafe watched?.pointee ?? selectors }

    /// Whether a packet came from where the peer should be to where this end should be. An address
    /// that is left open, or not told, is any.
    @inline(__always)
    func expects(_ source: Endpoint, _ local: Endpoint) -> Bool {
        source.address == path.remote.address
            && (local.address == path.local.address || local.address.isUnspecified
                || path.local.address.isUnspecified)
    }

    /// What control says of another place than it was told of is newer than all that was seen.
    mutating func move(to path: OuterPath) {
        self.path = path
        guard path.remote != reportedPeer else { return }
        seenPeer = path.remote
        reportedPeer = path.remote
    }

    mutating func setLinkMTU(_ octets: Int) {
        let link = TunnelMTU.packetOctets(
            linkMTU: octets,
            path: path,
            shape: TransformShape(transform, path.version),
            carriage: carriage
        )
        segmentSizeV4 = segmentSizeLimit.octets(mtu: min(link, innerLimit), isV4: true)
        segmentSizeV6 = segmentSizeLimit.octets(mtu: min(link, innerLimit), isV4: false)
    }

    /// Gives back what the slot owns.
    func release() {
        transform.release()
        selectors.deallocate()
        if let watched = unsafe watched {
            unsafe watched.pointee.deallocate()
            unsafe watched.deallocate()
        }
        if let unpacker = unsafe unpacker {
            unsafe unpacker.deinitialize(count: 1)
            unsafe unpacker.deallocate()
        }
        window.deallocate()
    }

    var snapshot: SASnapshot {
        var result = SASnapshot(
            identifier: SAIdentifier(rawValue: identifier),
            policy: PolicyIdentifier(rawValue: policy),
            spi: SPI(rawValue: spi),
            path: path,
            packets: packets,
            octets: octets,
            sequence: window.highest,
            lastUse: lastUse == 0 ? nil : Instant(nanoseconds: lastUse)
        )
        result.replayDrops = replayDrops
        result.authenticationFailures = authenticationFailures
        result.selectorMismatches = selectorMismatches
        if let unpacker = unsafe unpacker {
            var counts = TrafficFlowCounts()
            counts.unpacking = unsafe UnpackingCounts(unpacker.pointee)
            counts.paddingOctets = unsafe unpacker.pointee.paddingOctets
            result.flow = counts
        }
        result.compresses = compressionIndex != 0
        result.compressed = compressed
        return result
    }
}
