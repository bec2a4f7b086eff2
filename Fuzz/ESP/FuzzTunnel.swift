internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection

/// An SA as an input asks for it.
struct FuzzTunnel {
    var isCBC: Bool
    var isExtendedSequence: Bool
    var isUDP: Bool
    /// Whether only TCP, and UDP to the lower ports, between 10.1.0.0/16 and 10.2.0.0/16 belong to
    /// it; fragments behind the first go along.
    var isNarrow: Bool
    var linkMTU: Int
    var clearsDontFragment: Bool
    /// Whether AGGFRAG payloads come by it (RFC 9347).
    var isTrain: Bool

    static let identifier = SAIdentifier(rawValue: 1)
    static let policy = PolicyIdentifier(rawValue: 1)
    static let spi: UInt32 = 0x6379_6721
    static let near = IPAddress("192.0.2.1")!
    static let far = IPAddress("198.51.100.2")!

    var suite: CipherSuite {
        isCBC
            ? CipherSuite(
                encryption: .encryption(.aesCBC, keyLengthBits: 128),
                integrity: .hmacSHA256_128
            )!
            : CipherSuite(encryption: .encryption(.aesGCM16, keyLengthBits: 128), integrity: nil)!
    }

    func cipher(_ direction: PacketCipher.Direction) -> PacketCipher {
        let keys = ESPKeys(
            encryption: SecretBytes(Array(repeating: 1, count: suite.encryptionKeyLength)),
            integrity: SecretBytes(Array(repeating: 2, count: suite.integrityKeyLength))
        )
        do {
            return try PacketCipher(
                suite: suite,
                keys: keys,
                isExtendedSequence: isExtendedSequence,
                direction: direction
            )
        } catch { preconditionFailure("no cipher: \(error)") }
    }

    private var selectors: [SelectorPair] {
        guard isNarrow else {
            let everything = [TrafficSelector.everything(.v4), .everything(.v6)]
            return SelectorPair.pairs(local: everything, remote: everything)
        }
        return [UInt8(6), 17].map { number in
            SelectorPair(
                local: TrafficSelector(prefix: IPPrefix("10.1.0.0/16")!, ipProtocol: number)!,
                remote: TrafficSelector(
                    prefix: IPPrefix("10.2.0.0/16")!,
                    ipProtocol: number,
                    ports: number == 17 ? PortRange(0, through: 0x7fff)! : .any
                )!
            )
        }
    }

    private func path(from local: IPAddress, to remote: IPAddress) -> OuterPath {
        OuterPath(
            encapsulation: isUDP ? .udp : .esp,
            local: Endpoint(address: local, port: isUDP ? 4500 : 0),
            remote: Endpoint(address: remote, port: isUDP ? 4500 : 0)
        )
    }

    var outbound: PacketPathCommand {
        var parameters = OutboundSAParameters(
            identifier: FuzzTunnel.identifier,
            policy: FuzzTunnel.policy,
            spi: SPI(rawValue: FuzzTunnel.spi),
            selectors: selectors,
            path: path(from: FuzzTunnel.near, to: FuzzTunnel.far),
            cipher: cipher(.seal),
            isExtendedSequence: isExtendedSequence
        )
        parameters.linkMTU = linkMTU
        parameters.carriesLaterFragments = isNarrow
        if clearsDontFragment { parameters.dontFragment = .clear }
        return .installOutbound(parameters)
    }

    var inbound: PacketPathCommand {
        var parameters = InboundSAParameters(
            identifier: FuzzTunnel.identifier,
            policy: FuzzTunnel.policy,
            spi: SPI(rawValue: FuzzTunnel.spi),
            selectors: selectors.map { SelectorPair(local: $0.remote, remote: $0.local) },
            path: path(from: FuzzTunnel.far, to: FuzzTunnel.near),
            cipher: cipher(.open),
            isExtendedSequence: isExtendedSequence
        )
        parameters.linkMTU = linkMTU
        parameters.carriesLaterFragments = isNarrow
        parameters.followsPeer = isUDP
        if isTrain { parameters.carriage = .espAggregated }
        return .installInbound(parameters)
    }

    var policies: PacketPathCommand {
        .replacePolicies([
            PolicyEntry(identifier: FuzzTunnel.policy, action: .protect, selectors: selectors)
        ])
    }
}
