internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection

/// Both ends of many SA pairs: what one end seals the other opens.
struct ScaleGateways: ~Copyable {
    let pairs: Int
    let policies: Int
    var outbound: OutboundProcessor
    var inbound: InboundProcessor
    private let tunnel = BenchmarkTunnel.all[0]

    static let now = Instant(nanoseconds: 1_000_000_000)
    private static let firstRemote: UInt32 = 0x1000_0000

    init(pairs: Int, policies: Int) {
        self.pairs = pairs
        self.policies = policies
        var configuration = PacketPathConfiguration()
        configuration.maximumSAs = pairs
        outbound = OutboundProcessor(configuration)
        inbound = InboundProcessor(configuration)
    }

    /// Each SA is for one remote address, each policy for those of its SAs.
    private var remotesPerPolicy: Int { (pairs + policies - 1) / policies }

    static func remote(_ pair: Int) -> UInt32 { firstRemote + UInt32(pair) }

    private static func selector(_ first: UInt32, _ last: UInt32) -> TrafficSelector {
        TrafficSelector(first: .v4(IPv4Address(bits: first)), last: .v4(IPv4Address(bits: last)))!
    }

    private static let local = TrafficSelector(prefix: IPPrefix("10.1.0.0/16")!)

    var entries: [PolicyEntry] {
        (0..<policies).map { index in
            let first = ScaleGateways.remote(index * remotesPerPolicy)
            return PolicyEntry(
                identifier: PolicyIdentifier(rawValue: UInt32(index)),
                action: .protect,
                selectors: [
                    SelectorPair(
                        local: ScaleGateways.local,
                        remote: ScaleGateways.selector(
                            first,
                            first + UInt32(remotesPerPolicy - 1)
                        )
                    )
                ]
            )
        }
    }

    func outboundParameters(_ pair: Int) throws -> OutboundSAParameters {
        var parameters = OutboundSAParameters(
            identifier: SAIdentifier(rawValue: UInt32(pair + 1)),
            policy: PolicyIdentifier(rawValue: UInt32(pair / remotesPerPolicy)),
            spi: SPI(rawValue: UInt32(0x1000 + pair)),
            selectors: [selectors(pair)],
            path: OuterPath(
                encapsulation: .udp,
                local: BenchmarkTunnel.near,
                remote: BenchmarkTunnel.far
            ),
            cipher: try tunnel.cipher(.seal),
            isExtendedSequence: true
        )
        parameters.linkMTU = 1600
        return parameters
    }

    func inboundParameters(_ pair: Int) throws -> InboundSAParameters {
        InboundSAParameters(
            identifier: SAIdentifier(rawValue: UInt32(pair + 1)),
            policy: PolicyIdentifier(rawValue: UInt32(pair / remotesPerPolicy)),
            spi: SPI(rawValue: UInt32(0x1000 + pair)),
            selectors: [selectors(pair)].map {
                SelectorPair(local: $0.remote, remote: $0.local)
            },
            path: OuterPath(
                encapsulation: .udp,
                local: BenchmarkTunnel.far,
                remote: BenchmarkTunnel.near
            ),
            cipher: try tunnel.cipher(.open),
            isExtendedSequence: true
        )
    }

    private func selectors(_ pair: Int) -> SelectorPair {
        let remote = ScaleGateways.remote(pair)
        return SelectorPair(
            local: ScaleGateways.local,
            remote: ScaleGateways.selector(remote, remote)
        )
    }
}
