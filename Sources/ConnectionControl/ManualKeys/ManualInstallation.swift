internal import Configuration
internal import IKEProtocol
internal import IPsecPrimitives

extension ChildSAInstallation {
    /// RFC 3948 §2.1: ESP in UDP goes to the port of IKE behind NATs.
    private static let encapsulationPort: UInt16 = 4500

    /// The pair of SAs that the configuration describes (RFC 4301 §4.5.1); nil where the tunnel is
    /// none with manual keys, which a configuration that was read is not.
    ///
    /// - Parameter natPort: the UDP port that ESP in UDP leaves from.
    init?(
        _ tunnel: TunnelConfiguration,
        of connection: ConnectionConfiguration,
        keys: ManualKeys.Pair,
        natPort: UInt16
    ) {
        guard let manual = tunnel.manualKeys, let proposal = tunnel.manualProposal,
            let local = connection.localAddress.value, let remote = connection.onlyRemoteAddress
        else { return nil }
        let isUDP = connection.encapsulation.value == .udp
        self.init(
            connection: connection.name,
            child: tunnel.name,
            inboundSPI: manual.inbound.spi.value,
            outboundSPI: manual.outbound.spi.value,
            inboundKeys: keys.inbound,
            outboundKeys: keys.outbound,
            encryption: proposal.encryption.first ?? .encryption(.null),
            integrity: proposal.transforms(of: .integrity).first.map {
                IntegrityAlgorithm(rawValue: $0.identifier)
            },
            isExtendedSequence: false,
            localSelectors: tunnel.local.map(\.value),
            remoteSelectors: tunnel.remote.map(\.value),
            path: ChildSAPath(
                local: Endpoint(address: local, port: isUDP ? natPort : 0),
                remote: Endpoint(
                    address: remote,
                    port: isUDP ? ChildSAInstallation.encapsulationPort : 0
                ),
                isEncapsulated: isUDP
            ),
            replaces: nil,
            isUsedOutboundAtOnce: true,
            peerIdentity: remote.description
        )
        securityProtocol = proposal.securityProtocol
        mode = tunnel.carriage.mode.value == .transport ? .transport : .tunnel
        carriesLaterFragments = tunnel.carriage.laterFragments.value
        // RFC 3173 §3.3: numbers to 63 "designate well-known compression algorithms … and are used for
        // manual setup".
        compression = tunnel.carriage.compression.first.map {
            let transform = $0.value.transform
            return CompressionAssociation(
                transform: transform,
                inboundCPI: UInt16(transform),
                outboundCPI: UInt16(transform)
            )
        }
        isManual = true
    }
}

extension TunnelConfiguration {
    /// The only one that a tunnel with manual keys has.
    var manualProposal: Proposal? {
        (espProposals.first ?? carriage.ahProposals.first)?.value
    }

    /// Whether manual SAs of this tunnel are those of `old`.
    func hasSameManualAssociations(as old: TunnelConfiguration) -> Bool {
        manualKeys == old.manualKeys && local == old.local && remote == old.remote
            && espProposals == old.espProposals
            && carriage.ahProposals == old.carriage.ahProposals
            && carriage.mode == old.carriage.mode
            && carriage.compression == old.carriage.compression
            && carriage.laterFragments == old.carriage.laterFragments && isCarriedAs(old)
    }
}
