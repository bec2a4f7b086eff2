internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection

/// A suite under measurement, and an SA of it.
struct BenchmarkTunnel {
    var name: String
    var suite: CipherSuite

    static let all: [BenchmarkTunnel] = [
        BenchmarkTunnel("aes128gcm16", .encryption(.aesGCM16, keyLengthBits: 128), nil),
        BenchmarkTunnel("aes256gcm16", .encryption(.aesGCM16, keyLengthBits: 256), nil),
        BenchmarkTunnel("chacha20poly1305", .encryption(.chaCha20Poly1305), nil),
        BenchmarkTunnel(
            "aes128-sha256",
            .encryption(.aesCBC, keyLengthBits: 128),
            .hmacSHA256_128
        ),
    ]

    private init(_ name: String, _ encryption: Transform, _ integrity: IntegrityAlgorithm?) {
        self.name = name
        suite = CipherSuite(encryption: encryption, integrity: integrity)!
    }

    private static let identifier = SAIdentifier(rawValue: 1)
    static let policy = PolicyIdentifier(rawValue: 1)
    static let spi: UInt32 = 0x6379_6721
    static let near = Endpoint(address: IPAddress("192.0.2.1")!, port: 4500)
    static let far = Endpoint(address: IPAddress("198.51.100.2")!, port: 4500)

    func cipher(_ direction: PacketCipher.Direction) throws(CryptoError) -> PacketCipher {
        try PacketCipher(
            suite: suite,
            keys: ESPKeys(
                encryption: SecretBytes(Array(repeating: 1, count: suite.encryptionKeyLength)),
                integrity: SecretBytes(Array(repeating: 2, count: suite.integrityKeyLength))
            ),
            isExtendedSequence: true,
            direction: direction
        )
    }

    static func selectors(local: String, remote: String) -> [SelectorPair] {
        [
            SelectorPair(
                local: TrafficSelector(prefix: IPPrefix(local)!),
                remote: TrafficSelector(prefix: IPPrefix(remote)!)
            )
        ]
    }

    private static let selectors = selectors(local: "10.1.0.0/16", remote: "10.2.0.0/16")

    /// Room for ESP around 1,420 octets with the longest trailer, so that nothing is refused.
    private static let linkMTU = 1600

    /// For as many threads as help, if any do.
    private func transform(
        _ direction: PacketCipher.Direction,
        _ desk: CipherDesk?
    ) throws -> PacketTransform {
        guard let desk else { return .cipher(try cipher(direction)) }
        return .spread(
            try SpreadCipher(helpers: desk.helpers) { () throws(CryptoError) in
                try cipher(direction)
            }
        )
    }

    private static func passages(_ desk: CipherDesk?) -> WorkerPassages {
        WorkerPassages(place: .alone, rings: [nil], desk: desk)
    }

    func outboundProcessor(_ desk: CipherDesk?, at now: Instant) throws -> OutboundProcessor {
        var processor = OutboundProcessor(
            PacketPathConfiguration(),
            passages: BenchmarkTunnel.passages(desk)
        )
        var parameters = OutboundSAParameters(
            identifier: BenchmarkTunnel.identifier,
            policy: BenchmarkTunnel.policy,
            spi: SPI(rawValue: BenchmarkTunnel.spi),
            selectors: BenchmarkTunnel.selectors,
            path: OuterPath(
                encapsulation: .udp,
                local: BenchmarkTunnel.near,
                remote: BenchmarkTunnel.far
            ),
            transform: try transform(.seal, desk),
            isExtendedSequence: true
        )
        parameters.linkMTU = BenchmarkTunnel.linkMTU
        // The policy that matches stands behind others.
        let others = (0..<16).map { index in
            PolicyEntry(
                identifier: PolicyIdentifier(rawValue: UInt32(100 + index)),
                action: .discard,
                selectors: BenchmarkTunnel.selectors(
                    local: "10.\(100 + index).0.0/16",
                    remote: "10.2.0.0/16"
                )
            )
        }
        let protect = PolicyEntry(
            identifier: BenchmarkTunnel.policy,
            action: .protect,
            selectors: BenchmarkTunnel.selectors
        )
        processor.apply(.replacePolicies(others + [protect]), at: now)
        processor.apply(.installOutbound(parameters), at: now)
        return processor
    }

    func inboundProcessor(_ desk: CipherDesk?, at now: Instant) throws -> InboundProcessor {
        var processor = InboundProcessor(
            PacketPathConfiguration(),
            passages: BenchmarkTunnel.passages(desk)
        )
        let parameters = InboundSAParameters(
            identifier: BenchmarkTunnel.identifier,
            policy: BenchmarkTunnel.policy,
            spi: SPI(rawValue: BenchmarkTunnel.spi),
            selectors: BenchmarkTunnel.selectors.map {
                SelectorPair(local: $0.remote, remote: $0.local)
            },
            path: OuterPath(
                encapsulation: .udp,
                local: BenchmarkTunnel.far,
                remote: BenchmarkTunnel.near
            ),
            transform: try transform(.open, desk),
            isExtendedSequence: true
        )
        processor.apply(.installInbound(parameters), at: now)
        return processor
    }
}
