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
    let cipher: Unmanaged<PacketCipher>
    let spi: UInt32
    let identifier: UInt32
    let policy: UInt32
    let ivLength: Int
    let icvLength: Int
    let blockMask: Int
    var tunnelMTU: Int
    var segmentSizeV4: UInt16
    var segmentSizeV6: UInt16
    let dontFragment: DontFragmentPolicy
    let dscpIsFixed: Bool
    let fixedDSCP: UInt8
    var hasReportedSoft = false
    var hasReportedHard = false
    let isExtended: Bool
    var path: OuterPath
    var pathGeneration: UInt32 = 0
    private var linkMTU: Int
    private let innerLimit: Int
    private let segmentSizeLimit: SegmentSizeLimit
    let selectors: SelectorList

    init(_ parameters: OutboundSAParameters) {
        unsafe cipher = .passRetained(parameters.cipher)
        sequence = parameters.initialSequence
        sequenceLimit = parameters.isExtendedSequence ? .max : UInt64(UInt32.max)
        // Early enough for any rekey: an eighth of the numbers is left.
        sequenceSoft = sequenceLimit - sequenceLimit / 8
        lifetime = parameters.lifetime
        spi = parameters.spi.rawValue
        identifier = parameters.identifier.rawValue
        policy = parameters.policy.rawValue
        let suite = parameters.cipher.suite
        ivLength = suite.ivLength
        icvLength = suite.icvLength
        blockMask = suite.blockLength - 1
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
        path = parameters.path
        linkMTU = parameters.linkMTU
        innerLimit = parameters.innerLimit ?? .max
        segmentSizeLimit = parameters.segmentSizeLimit
        selectors = SelectorList(parameters.selectors)
        tunnelMTU = 0
        segmentSizeV4 = 0
        segmentSizeV6 = 0
        updateMTU()
    }

    /// Gives back what the slot owns.
    func release() {
        unsafe cipher.release()
        selectors.deallocate()
    }

    mutating func move(to path: OuterPath) {
        self.path = path
        pathGeneration &+= 1
        updateMTU()
    }

    mutating func setLinkMTU(_ octets: Int) {
        linkMTU = octets
        updateMTU()
    }

    private mutating func updateMTU() {
        let suite = unsafe cipher._withUnsafeGuaranteedRef { $0.suite }
        let link = TunnelMTU.innerOctets(linkMTU: linkMTU, path: path, suite: suite)
        tunnelMTU = min(link, innerLimit)
        segmentSizeV4 = segmentSizeLimit.octets(mtu: tunnelMTU, isV4: true)
        segmentSizeV6 = segmentSizeLimit.octets(mtu: tunnelMTU, isV4: false)
    }

    var snapshot: SASnapshot {
        var result = SASnapshot(
            identifier: SAIdentifier(rawValue: identifier),
            policy: PolicyIdentifier(rawValue: policy),
            spi: SPI(rawValue: spi),
            path: path,
            packets: packets,
            octets: octets,
            sequence: sequence,
            lastUse: packets == 0 ? nil : Instant(nanoseconds: lastUse)
        )
        result.tunnelMTU = tunnelMTU
        return result
    }
}
