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
        compression == nil
    }
}

/// Makes the packet path's parameters of a pair that was negotiated.
struct SAMapping {
    /// Octets of the largest outer packet.
    let linkMTU: Int
    let tunnel: TunnelConfiguration
    let policy: PolicyIdentifier
    let backEnd: PacketCipherBackEnd
    /// 0 to 9: how many hundredths of a limit are taken off for the soft one, beyond a twentieth,
    /// so that both ends do not ask for a successor at the same packet.
    let softMargin: UInt64

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
        parameters.carriesLaterFragments = child.carriesLaterFragments
        parameters.isActive = child.isUsedOutboundAtOnce
        parameters.resource = child.resource?.slot ?? 0
        parameters.linkMTU = linkMTU
        parameters.innerLimit = tunnel.mtu.value
        parameters.segmentSizeLimit = SegmentSizeLimit(tunnel.mssClamp.value)
        parameters.dontFragment =
            switch tunnel.dontFragment.value {
            case .copy: .copy
            case .set: .set
            case .clear: .clear
            }
        parameters.fragmentsAfter = tunnel.carriage.fragmentation.value == .after
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
        parameters.followsPeer = child.path.isEncapsulated && child.path.transport == .udp
        parameters.linkMTU = linkMTU
        parameters.innerLimit = tunnel.mtu.value
        parameters.segmentSizeLimit = SegmentSizeLimit(tunnel.mssClamp.value)
        return parameters
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
        return .cipher(
            try PacketCipher(
                encryption: child.encryption,
                integrity: child.integrity,
                keys: keys,
                isExtendedSequence: child.isExtendedSequence,
                direction: direction,
                backEnd: backEnd
            )
        )
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
