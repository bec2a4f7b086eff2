package import IPsecCrypto
package import IPsecPrimitives
package import PacketProtection

/// An SA of ESP with AES-GCM, both ends of it at one gateway: what its outbound half seals, its
/// inbound half opens.
package struct FuzzSA {
    package var identifier = SAIdentifier(rawValue: 1)
    package var policy = PolicyIdentifier(rawValue: 1)
    package var spi: UInt32 = 0x6379_6721
    /// From where the packets come: local is the source.
    package var selectors: [SelectorPair]
    package var carriage = PacketCarriage.espTunnel
    package var outer = IPVersion.v4
    package var carriesLaterFragments = false
    package var compressionIndex: UInt16?
    package var linkMTU = 1500

    package init(_ selectors: [SelectorPair]) { self.selectors = selectors }

    package static let suite = CipherSuite(
        encryption: .encryption(.aesGCM16, keyLengthBits: 128),
        integrity: nil
    )!

    /// Set in transport mode, where the ends are those of the packets.
    package var ends: (near: IPAddress, far: IPAddress)?

    package var near: IPAddress {
        ends?.near ?? (outer == .v4 ? IPAddress("192.0.2.1")! : IPAddress("2001:db8::1")!)
    }
    package var far: IPAddress {
        ends?.far ?? (outer == .v4 ? IPAddress("198.51.100.2")! : IPAddress("2001:db8::2")!)
    }

    package func cipher(_ direction: PacketCipher.Direction) -> PacketCipher {
        let keys = ESPKeys(
            encryption: SecretBytes(Array(repeating: 1, count: FuzzSA.suite.encryptionKeyLength)),
            integrity: SecretBytes([])
        )
        do {
            return try PacketCipher(
                suite: FuzzSA.suite,
                keys: keys,
                isExtendedSequence: false,
                direction: direction
            )
        } catch { preconditionFailure("no cipher: \(error)") }
    }

    private func path(from local: IPAddress, to remote: IPAddress) -> OuterPath {
        OuterPath(
            encapsulation: .esp,
            local: Endpoint(address: local, port: 0),
            remote: Endpoint(address: remote, port: 0)
        )
    }

    package var entry: PolicyEntry {
        PolicyEntry(identifier: policy, action: .protect, selectors: selectors)
    }

    package var outbound: PacketPathCommand {
        var parameters = OutboundSAParameters(
            identifier: identifier,
            policy: policy,
            spi: SPI(rawValue: spi),
            selectors: selectors,
            path: path(from: near, to: far),
            cipher: cipher(.seal),
            isExtendedSequence: false
        )
        parameters.carriage = carriage
        parameters.carriesLaterFragments = carriesLaterFragments
        parameters.compressionIndex = compressionIndex
        parameters.linkMTU = linkMTU
        parameters.segmentSizeLimit = .off
        return .installOutbound(parameters)
    }

    package var inbound: PacketPathCommand {
        var parameters = InboundSAParameters(
            identifier: identifier,
            policy: policy,
            spi: SPI(rawValue: spi),
            selectors: selectors.map { SelectorPair(local: $0.remote, remote: $0.local) },
            path: path(from: far, to: near),
            cipher: cipher(.open),
            isExtendedSequence: false
        )
        parameters.carriage = carriage
        parameters.carriesLaterFragments = carriesLaterFragments
        parameters.compressionIndex = compressionIndex
        parameters.linkMTU = linkMTU
        parameters.segmentSizeLimit = .off
        return .installInbound(parameters)
    }
}

extension FuzzGateway {
    /// Receives one packet of ESP between an SA's ends, without its IP header.
    package func receiveESP(_ packet: [UInt8], _ association: FuzzSA) -> Received {
        unsafe receive([packet]) { inbound, area, now in
            unsafe inbound.receiveESP(
                area.baseAddress!,
                byteCount: area.count,
                from: association.near,
                to: association.far,
                trafficClass: 0,
                at: now
            )
        }
    }
}
