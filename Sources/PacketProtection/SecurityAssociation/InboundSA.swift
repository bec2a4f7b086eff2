internal import IPsecCrypto
internal import IPsecPrimitives

/// An inbound SA as the worker keeps it: one flat struct a slot.
@safe struct InboundSA {
    var window: ReplayWindow
    let cipher: Unmanaged<PacketCipher>
    let isExtended: Bool
    let followsPeer: Bool
    var hasReportedSoft = false
    var hasReportedHard = false
    let ivLength: Int
    let icvLength: Int
    let blockMask: Int
    let segmentSizeV4: UInt16
    let segmentSizeV6: UInt16
    let spi: UInt32
    let identifier: UInt32
    let policy: UInt32
    let selectors: SelectorList
    var octets: UInt64 = 0
    var packets: UInt64 = 0
    var lastUse: UInt64 = 0
    var lifetime: SALifetime
    var replayDrops: UInt64 = 0
    var authenticationFailures: UInt64 = 0
    var selectorMismatches: UInt64 = 0
    var path: OuterPath
    /// Where the peer was last seen, so that a move is told once.
    var reportedPeer: Endpoint

    init(_ parameters: InboundSAParameters) {
        window = ReplayWindow(
            size: min(
                max(parameters.replayWindow, ReplayWindow.sizes.lowerBound),
                ReplayWindow.sizes.upperBound
            ),
            highest: parameters.initialSequence
        )
        unsafe cipher = .passRetained(parameters.cipher)
        isExtended = parameters.isExtendedSequence
        followsPeer = parameters.followsPeer
        let suite = parameters.cipher.suite
        ivLength = suite.ivLength
        icvLength = suite.icvLength
        blockMask = suite.blockLength - 1
        let mtu = TunnelMTU.innerOctets(
            linkMTU: parameters.linkMTU,
            path: parameters.path,
            suite: suite
        )
        segmentSizeV4 = TunnelMTU.segmentSize(mtu: mtu, isV4: true)
        segmentSizeV6 = TunnelMTU.segmentSize(mtu: mtu, isV4: false)
        spi = parameters.spi.rawValue
        identifier = parameters.identifier.rawValue
        policy = parameters.policy.rawValue
        selectors = SelectorList(parameters.selectors)
        lifetime = parameters.lifetime
        path = parameters.path
        reportedPeer = parameters.path.remote
    }

    /// Gives back what the slot owns.
    func release() {
        unsafe cipher.release()
        selectors.deallocate()
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
            lastUse: packets == 0 ? nil : Instant(nanoseconds: lastUse)
        )
        result.replayDrops = replayDrops
        result.authenticationFailures = authenticationFailures
        result.selectorMismatches = selectorMismatches
        return result
    }
}
