internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection

/// An SA of AH as an input asks for it.
struct FuzzAuthentication {
    var isTransport: Bool
    var outer: IPVersion
    var isExtended: Bool
    var algorithm: AuthenticationJudge.Algorithm
    var linkMTU: Int
    /// The highest number so far, at both ends.
    var initialSequence: UInt64

    static let identifier = SAIdentifier(rawValue: 1)
    static let policy = PolicyIdentifier(rawValue: 1)
    static let spi: UInt32 = 0x6379_6721

    var near: IPAddress { outer == .v4 ? IPAddress("192.0.2.1")! : IPAddress("2001:db8::1")! }
    var far: IPAddress { outer == .v4 ? IPAddress("198.51.100.2")! : IPAddress("2001:db8::2")! }

    var commands: [PacketPathCommand] {
        let entry = PolicyEntry(
            identifier: FuzzAuthentication.policy,
            action: .protect,
            selectors: selectors
        )
        return [.replacePolicies([entry]), .installOutbound(outbound), .installInbound(inbound)]
    }

    /// Octets of AH over the outer IP version (RFC 4302 §2.2).
    var headerLength: Int {
        let least = 12 + algorithm.icvLength
        return outer == .v4 ? (least + 3) / 4 * 4 : (least + 7) / 8 * 8
    }

    /// In transport mode there is one header, of one version.
    private var selectors: [SelectorPair] {
        let versions: [IPVersion] = isTransport ? [outer] : [.v4, .v6]
        let everything = versions.map { TrafficSelector.everything($0) }
        return SelectorPair.pairs(local: everything, remote: everything)
    }

    private var carriage: PacketCarriage { isTransport ? .ahTransport : .ahTunnel }

    private func path(from local: IPAddress, to remote: IPAddress) -> OuterPath {
        OuterPath(
            encapsulation: .esp,
            local: Endpoint(address: local, port: 0),
            remote: Endpoint(address: remote, port: 0)
        )
    }

    private func transform(_ direction: PacketCipher.Direction) -> PacketTransform {
        do {
            return .authenticator(
                try PacketAuthenticator(
                    integrity: algorithm == .sha256 ? .hmacSHA256_128 : .hmacSHA1_96,
                    key: SecretBytes(algorithm.key),
                    isExtendedSequence: isExtended,
                    direction: direction
                )
            )
        } catch { preconditionFailure("no authenticator: \(error)") }
    }

    private var outbound: OutboundSAParameters {
        var parameters = OutboundSAParameters(
            identifier: FuzzAuthentication.identifier,
            policy: FuzzAuthentication.policy,
            spi: SPI(rawValue: FuzzAuthentication.spi),
            selectors: selectors,
            path: path(from: near, to: far),
            transform: transform(.seal),
            isExtendedSequence: isExtended
        )
        parameters.carriage = carriage
        parameters.initialSequence = initialSequence
        parameters.linkMTU = linkMTU
        parameters.segmentSizeLimit = .off
        return parameters
    }

    private var inbound: InboundSAParameters {
        var parameters = InboundSAParameters(
            identifier: FuzzAuthentication.identifier,
            policy: FuzzAuthentication.policy,
            spi: SPI(rawValue: FuzzAuthentication.spi),
            selectors: selectors,
            path: path(from: far, to: near),
            transform: transform(.open),
            isExtendedSequence: isExtended
        )
        parameters.carriage = carriage
        parameters.initialSequence = initialSequence
        parameters.replayWindow = AuthenticationJudge.window
        parameters.linkMTU = linkMTU
        parameters.segmentSizeLimit = .off
        return parameters
    }
}
