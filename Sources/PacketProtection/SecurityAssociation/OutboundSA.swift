internal import IPsecCrypto
internal import IPsecPrimitives

/// An outbound SA as the worker keeps it: one flat struct a slot.
@safe struct OutboundSA {
    var sequence: UInt64
    let sequenceLimit: UInt64
    let sequenceSoft: UInt64
    var octets: UInt64 = 0
    var packets: UInt64 = 0
    var lifetime: SALifetime
    var lastUse: UInt64 = 0
    let transform: HeldTransform
    private var shape: TransformShape
    let carriage: PacketCarriage
    let spi: UInt32
    let identifier: UInt32
    let policy: UInt32
    /// Of the packets that it is for; empty: those that no other SA is for.
    let codePoints: CodePointSet
    let ivLength: Int
    let icvLength: Int
    let blockMask: Int
    /// The CPI that the peer chose (RFC 3173 §3.3); 0 where nothing is compressed.
    let compressionIndex: UInt16
    var trials = CompressionTrials()
    var compressed = CompressionCount()
    /// Whether packets are put into ESP as they are.
    let isPlain: Bool
    /// Octets of AH; 0 for ESP.
    var authenticationLength: Int { shape.authentication }
    /// Nil where nothing is done against the analysis of traffic.
    let flow: UnsafeMutablePointer<TrafficFlow>?
    /// From the beginning of ESP or AH to what is behind it.
    private(set) var bodyOffset: Int
    var tunnelMTU: Int
    var segmentSizeV4: UInt16
    var segmentSizeV6: UInt16
    let dontFragment: DontFragmentPolicy
    let dscpIsFixed: Bool
    let fixedDSCP: UInt8
    var hasReportedSoft = false
    var hasReportedHard = false
    /// Whether its life is over: it carries nothing any more, however little is left of a limit.
    var isSpent = false
    let isExtended: Bool
    let carriesLaterFragments: Bool
    var path: OuterPath
    var pathGeneration: UInt32 = 0
    private(set) var linkMTU: Int
    private let innerLimit: Int
    private let fragmentsAfter: Bool
    /// Whether plaintext may be cut for it. RFC 4301 §7.3: fragments behind the first "MUST NOT" go by
    /// an SA with ports, unless that was agreed on.
    let carriesPieces: Bool
    /// The largest packet in octets that is protected whole although the path carries less: 0 where
    /// plaintext is fragmented.
    private(set) var wholeLimit = 0
    private let segmentSizeLimit: SegmentSizeLimit
    let selectors: SelectorList

    init(_ parameters: OutboundSAParameters) {
        transform = HeldTransform(parameters.transform)
        carriage = parameters.carriage
        sequence = parameters.initialSequence
        sequenceLimit =
            parameters.isExtendedSequence || parameters.numbersCycle ? .max : UInt64(UInt32.max)
        // Early enough for any rekey: an eighth of the numbers is left.
        sequenceSoft = sequenceLimit - sequenceLimit / 8
        lifetime = parameters.lifetime
        spi = parameters.spi.rawValue
        identifier = parameters.identifier.rawValue
        policy = parameters.policy.rawValue
        codePoints = parameters.codePoints
        shape = TransformShape(transform, parameters.path.version)
        ivLength = shape.iv
        icvLength = shape.icv
        blockMask = shape.block - 1
        bodyOffset = shape.bodyOffset
        if let plan = TrafficFlow(parameters) {
            let memory = UnsafeMutablePointer<TrafficFlow>.allocate(capacity: 1)
            unsafe memory.initialize(to: plan)
            unsafe flow = memory
        } else {
            unsafe flow = nil
        }
        dontFragment = parameters.dontFragment
        switch parameters.dscp {
        case .copy:
            dscpIsFixed = false
            fixedDSCP = 0
        case .fixed(let value):
            dscpIsFixed = true
            fixedDSCP = value & 63
        }
        isExtended = parameters.isExtendedSequence
        compressionIndex = parameters.compressionIndex ?? 0
        isPlain = unsafe shape.authentication == 0 && compressionIndex == 0 && flow == nil
        carriesLaterFragments = parameters.carriesLaterFragments
        path = parameters.path
        linkMTU = parameters.linkMTU
        innerLimit = parameters.innerLimit ?? .max
        carriesPieces =
            parameters.carriesLaterFragments
            || parameters.selectors.allSatisfy { $0.local.ports.isAny && $0.remote.ports.isAny }
        fragmentsAfter =
            parameters.fragmentsAfter
            || !carriesPieces && parameters.carriage != .espAggregated
        segmentSizeLimit = parameters.segmentSizeLimit
        selectors = SelectorList(parameters.selectors)
        tunnelMTU = 0
        segmentSizeV4 = 0
        segmentSizeV6 = 0
        updateMTU()
    }

    /// Gives back what the slot owns.
    func release() {
        transform.release()
        selectors.deallocate()
        if let flow = unsafe flow {
            unsafe flow.deinitialize(count: 1)
            unsafe flow.deallocate()
        }
    }

    mutating func move(to path: OuterPath) {
        self.path = path
        pathGeneration &+= 1
        shape = TransformShape(transform, path.version)
        bodyOffset = shape.bodyOffset
        updateMTU()
    }

    mutating func setLinkMTU(_ octets: Int) {
        linkMTU = octets
        updateMTU()
    }

    /// RFC 791 §3.1: the total length has 16 bits.
    private static let largestPacket = 65_535

    private mutating func updateMTU() {
        let link = TunnelMTU.packetOctets(
            linkMTU: linkMTU,
            path: path,
            shape: shape,
            carriage: carriage
        )
        tunnelMTU = min(link, innerLimit)
        if let flow = unsafe flow { unsafe resize(flow, link: link) }
        if fragmentsAfter {
            let largest = TunnelMTU.packetOctets(
                linkMTU: OutboundSA.largestPacket,
                path: path,
                shape: shape,
                carriage: carriage
            )
            wholeLimit = min(largest, innerLimit)
        }
        segmentSizeV4 = segmentSizeLimit.octets(mtu: tunnelMTU, isV4: true)
        segmentSizeV6 = segmentSizeLimit.octets(mtu: tunnelMTU, isV4: false)
    }

    /// What hides lengths has to fit the path as well.
    private mutating func resize(_ flow: UnsafeMutablePointer<TrafficFlow>, link: Int) {
        var inner = tunnelMTU
        if let train = unsafe flow.pointee.trainParameters {
            let outer = min(train.packetOctets ?? linkMTU, linkMTU)
            inner = TunnelMTU.packetOctets(
                linkMTU: outer,
                path: path,
                shape: shape,
                carriage: carriage
            )
            // RFC 9347 §2.2.7: what is fragmented within the train may have any length.
            let room = inner - AggregateHeader.plainOctets
            let largest =
                train.peerTakesFragments ? AggregateTrain.largestPacket(train) : room
            tunnelMTU = min(largest, innerLimit)
        }
        let body = (inner + 2 + blockMask) & ~blockMask
        unsafe flow.pointee.resize(
            innerOctets: inner,
            overhead: path.headerLength + bodyOffset + body + icvLength - inner
        )
    }

    var snapshot: SASnapshot {
        var result = SASnapshot(
            identifier: SAIdentifier(rawValue: identifier),
            policy: PolicyIdentifier(rawValue: policy),
            spi: SPI(rawValue: spi),
            path: path,
            packets: packets,
            octets: octets,
            sequence: isExtended ? sequence : sequence & UInt64(UInt32.max),
            lastUse: packets == 0 ? nil : Instant(nanoseconds: lastUse)
        )
        result.tunnelMTU = tunnelMTU
        result.linkMTU = linkMTU
        result.flow = unsafe flow?.pointee.counts
        result.compresses = compressionIndex != 0
        result.compressed = compressed
        return result
    }
}
