internal import Configuration
internal import IKEProtocol
internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection

extension OuterPath {
    init(_ path: ChildSAPath) {
        self.init(
            encapsulation: path.transport == .tcp ? .tcp : path.isEncapsulated ? .udp : .esp,
            local: path.local,
            remote: path.remote
        )
    }
}

extension PacketCarriage {
    init(_ child: ChildSAInstallation) {
        self =
            switch (child.securityProtocol, child.mode) {
            case (.esp, .tunnel) where child.aggregation != nil: .espAggregated
            case (.ah, .tunnel): .ahTunnel
            case (.ah, .transport): .ahTransport
            case (_, .tunnel): .espTunnel
            case (_, .transport): .espTransport
            }
    }
}

extension ChildSAInstallation {
    /// Whether the packet path has what the pair was agreed on. What it has not is for configurations
    /// that are only negotiated (`PacketPathAbility`), and such pairs never get there.
    var isCarried: Bool {
        compression.map { $0.transform == CarriageConfiguration.Compression.deflate.transform }
            ?? true
    }
}

/// Makes the packet path's parameters of a pair that was negotiated.
struct SAMapping {
    /// Octets of the largest outer packet.
    let linkMTU: Int
    let tunnel: TunnelConfiguration
    let policy: PolicyIdentifier
    let backEnd: PacketCipherBackEnd
    /// Threads that help with what is spread.
    let cipherThreads: Int
    /// 0 to 9: how many hundredths of a limit are taken off for the soft one, beyond a twentieth,
    /// so that both ends do not ask for a successor at the same packet.
    let softMargin: UInt64
    /// For keys that serve again after a restart; nil where they are fresh.
    let ivSeed: SecretBytes?

    func outbound(
        _ child: ChildSAInstallation,
        identifier: SAIdentifier
    ) throws(CryptoError) -> OutboundSAParameters {
        var parameters = OutboundSAParameters(
            identifier: identifier,
            policy: policy,
            spi: child.outboundSPI,
            selectors: selectors(child),
            path: OuterPath(child.path),
            transform: try transform(child, keys: child.outboundKeys, direction: .seal),
            isExtendedSequence: child.isExtendedSequence
        )
        parameters.carriage = PacketCarriage(child)
        parameters.lifetime = lifetime
        parameters.numbersCycle = child.isManual
        parameters.compressionIndex = child.compression?.outboundCPI
        parameters.carriesLaterFragments = child.carriesLaterFragments
        parameters.isActive = child.isUsedOutboundAtOnce
        parameters.resource = child.resource?.slot ?? 0
        parameters.codePoints = child.codePoints
        parameters.linkMTU = linkMTU
        parameters.innerLimit = tunnel.mtu.value
        parameters.segmentSizeLimit = SegmentSizeLimit(tunnel.mssClamp.value)
        parameters.dontFragment =
            switch tunnel.dontFragment.value {
            case .copy: .copy
            case .set: .set
            case .clear: .clear
            }
        parameters.fragmentsAfter =
            tunnel.carriage.fragmentation.value == .after && child.aggregation == nil
        hide(child, in: &parameters)
        parameters.dscp =
            switch tunnel.dscp.value {
            case .copy: .copy
            case .fixed(let value): .fixed(value)
            }
        return parameters
    }

    func inbound(
        _ child: ChildSAInstallation,
        identifier: SAIdentifier
    ) throws(CryptoError) -> InboundSAParameters {
        var parameters = InboundSAParameters(
            identifier: identifier,
            policy: policy,
            spi: child.inboundSPI,
            selectors: selectors(child),
            path: OuterPath(child.path),
            transform: try transform(child, keys: child.inboundKeys, direction: .open),
            isExtendedSequence: child.isExtendedSequence
        )
        parameters.carriage = PacketCarriage(child)
        parameters.originalEnds = child.original.map {
            OriginalEnds(local: $0.local, remote: $0.remote)
        }
        parameters.lifetime = lifetime
        parameters.carriesLaterFragments = child.carriesLaterFragments
        parameters.replayWindow = tunnel.replayWindow.value
        parameters.compressionIndex = child.compression?.inboundCPI
        // RFC 4303 §3.3.3: "SHOULD NOT provide anti-replay service" with manual keys. Then an old packet,
        // sent again from elsewhere, must not move the peer there.
        parameters.refusesReplays = !child.isManual
        parameters.followsPeer =
            child.path.isEncapsulated && child.path.transport == .udp && !child.isManual
        parameters.isMobile = child.isMobile
        parameters.linkMTU = linkMTU
        parameters.innerLimit = tunnel.mtu.value
        parameters.segmentSizeLimit = SegmentSizeLimit(tunnel.mssClamp.value)
        if child.aggregation != nil, let train = tunnel.carriage.train {
            parameters.reassembly = ReassemblyParameters(train, linkMTU: linkMTU)
        }
        return parameters
    }

    /// What is done against the analysis of traffic.
    private func hide(_ child: ChildSAInstallation, in parameters: inout OutboundSAParameters) {
        guard parameters.carriage == .espTunnel || parameters.carriage == .espAggregated else {
            return
        }
        let carriage = tunnel.carriage
        if let aggregation = child.aggregation {
            parameters.train = TrainParameters(carriage.train, aggregation)
            return
        }
        // RFC 7296 §1.3.1: to a peer that has said so, no packet with such padding is sent.
        if child.peerAcceptsPadding {
            parameters.padding =
                switch carriage.padTo.value {
                case .off: .none
                case .mtu: .tunnelMTU
                case .bytes(let octets): .octets(octets)
                }
        }
        parameters.dummiesPerSecond = carriage.dummiesPerSecond.value ?? 0
    }

    private func selectors(_ child: ChildSAInstallation) -> [SelectorPair] {
        SelectorPair.pairs(local: child.localSelectors, remote: child.remoteSelectors)
    }

    private func transform(
        _ child: ChildSAInstallation,
        keys: ESPKeys,
        direction: PacketCipher.Direction
    ) throws(CryptoError) -> PacketTransform {
        if child.securityProtocol == .ah {
            return .authenticator(
                try PacketAuthenticator(
                    integrity: child.integrity ?? .none,
                    key: keys.integrity,
                    isExtendedSequence: child.isExtendedSequence,
                    direction: direction
                )
            )
        }
        func make() throws(CryptoError) -> PacketCipher {
            try PacketCipher(
                encryption: child.encryption,
                integrity: child.integrity,
                keys: keys,
                isExtendedSequence: child.isExtendedSequence,
                direction: direction,
                backEnd: backEnd,
                ivSeed: ivSeed
            )
        }
        guard tunnel.carriage.isSpread.value, cipherThreads > 0 else { return .cipher(try make()) }
        return .spread(try SpreadCipher(helpers: cipherThreads, make: make))
    }

    private var lifetime: PacketProtection.SALifetime {
        func soft(_ hard: UInt64?) -> UInt64 {
            hard.map { $0 - $0 / 20 - $0 / 100 * softMargin } ?? .max
        }
        return PacketProtection.SALifetime(
            softOctets: soft(tunnel.lifetimeBytes.value),
            hardOctets: tunnel.lifetimeBytes.value ?? .max,
            softPackets: soft(tunnel.lifetimePackets.value),
            hardPackets: tunnel.lifetimePackets.value ?? .max
        )
    }
}

extension TrainParameters {
    /// A slow train where the configuration has just lost what was agreed on under it: the SA is
    /// about to be replaced, and nothing else may go by it (RFC 9347 §2.3).
    private static let passing: UInt64 = 1_000_000

    init(_ train: TrainConfiguration?, _ aggregation: Aggregation) {
        self.init(bitsPerSecond: train?.rate.value ?? TrainParameters.passing)
        packetOctets = train?.packetSize.value
        if let train { queueDelay = train.queue.value }
        peerTakesFragments = aggregation.peerTakesFragments
    }
}

extension ReassemblyParameters {
    /// What is missing is waited for as long as the reorder window takes at the rate of this end, for
    /// both mostly have the same; not less than a path may need to put packets in order.
    init(_ train: TrainConfiguration, linkMTU: Int) {
        self.init()
        reorderWindow = train.reorderWindow.value
        let bits = Int64(train.packetSize.value ?? linkMTU) * 8
        let interval = Duration.nanoseconds(
            bits * 1_000_000_000 / Int64(clamping: max(train.rate.value, 1))
        )
        lossTimeout = min(
            max(interval * (reorderWindow + 1), .milliseconds(10)),
            .seconds(1)
        )
    }
}

extension SegmentSizeLimit {
    init(_ clamp: TunnelConfiguration.MSSClamp) {
        self =
            switch clamp {
            case .off: .off
            case .automatic: .automatic
            case .fixed(let octets): .fixed(octets)
            }
    }
}
