internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection

/// One run of datagrams as it would go out.
struct SentRun: Equatable {
    var datagrams: [[UInt8]]
    var segmentSize: Int
    var trafficClass: UInt8
    var dontFragment: Bool
    var path: OuterPath
    var hopLimit: UInt8 = 0
    /// Whether the datagrams begin with their IP headers.
    var hasHeader = false
}

/// Both processors of a worker, with arrays in and out.
final class TestGateway {
    var outbound: OutboundProcessor
    var inbound: InboundProcessor
    var now = Instant(nanoseconds: 1_000_000_000)

    init(
        _ configuration: PacketPathConfiguration = PacketPathConfiguration(),
        passages: WorkerPassages = .alone
    ) {
        outbound = OutboundProcessor(configuration, passages: passages)
        inbound = InboundProcessor(configuration, passages: passages)
    }

    func apply(_ command: PacketPathCommand) {
        if command.direction != .inbound { outbound.apply(command, at: now) }
        if command.direction != .outbound { inbound.apply(command, at: now) }
    }

    /// Reads frames as one batch.
    @discardableResult
    func send(_ frames: [[UInt8]], device: DeviceNumber = .shared) -> [SentRun] {
        for frame in frames {
            unsafe outbound.readBuffer.copyBytes(from: frame)
            if outbound.isTraced {
                outbound.processTraced(byteCount: frame.count, device: device, at: now)
            } else {
                outbound.processRead(byteCount: frame.count, device: device, at: now)
            }
        }
        return flush()
    }

    func release() -> [SentRun] {
        outbound.takeReleased(at: now)
        return flush()
    }

    /// What leaves because it is time.
    func serveTimers() -> [SentRun] {
        var runs: [SentRun] = []
        while outbound.nextDue <= now.nanoseconds {
            outbound.sendDue(at: now)
            runs += flush()
        }
        return runs
    }

    /// What goes to the device because what it waited for is missing for too long.
    func giveUp() -> [[UInt8]] {
        guard inbound.nextDue <= now.nanoseconds else { return [] }
        inbound.giveUpDue(at: now)
        return openAll()
    }

    func flush() -> [SentRun] {
        outbound.seal(at: now)
        var result: [SentRun] = []
        let runs = unsafe Array(outbound.runs)
        for run in runs {
            var datagrams: [[UInt8]] = []
            for index in 0..<run.count {
                let offset = index * run.segmentSize
                let size = min(run.segmentSize, run.byteCount - offset)
                let area = unsafe UnsafeRawBufferPointer(
                    start: outbound.datagrams + run.offset + offset,
                    count: size
                )
                datagrams.append(unsafe Array(area))
            }
            result.append(
                SentRun(
                    datagrams: datagrams,
                    segmentSize: run.segmentSize,
                    trafficClass: run.trafficClass,
                    dontFragment: run.dontFragment,
                    path: outbound.path(ofSlot: run.slot),
                    hopLimit: run.hopLimit,
                    hasHeader: run.hasHeader
                )
            )
        }
        errorDevices = unsafe outbound.deviceWrites.map(\.device)
        errors = unsafe outbound.deviceWrites.map { write in
            unsafe Array(
                UnsafeRawBufferPointer(
                    start: outbound.deviceBytes + write.offset,
                    count: write.byteCount
                )
            )
        }
        outbound.reset()
        return result
    }

    /// What the last `send` wrote back to the device.
    private(set) var errors: [[UInt8]] = []
    private(set) var errorDevices: [DeviceNumber] = []

    private func receiveStreamed(
        _ packet: [UInt8],
        _ run: SentRun,
        _ areas: inout [UnsafeMutableRawBufferPointer]
    ) {
        let area = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(packet.count, 1),
            alignment: 1
        )
        unsafe area.copyBytes(from: packet)
        unsafe areas.append(area)
        unsafe inbound.receiveStreamed(
            area.baseAddress!,
            byteCount: packet.count,
            from: run.path.local,
            to: run.path.remote,
            at: now
        )
    }

    /// Receives runs as one batch and returns the frames for the device.
    func receive(_ runs: [SentRun], trafficClass: UInt8? = nil, from source: Endpoint? = nil)
        -> [[UInt8]]
    {
        var areas: [UnsafeMutableRawBufferPointer] = unsafe []
        defer { unsafe areas.forEach { unsafe $0.deallocate() } }
        for run in runs {
            let mark = trafficClass ?? run.trafficClass
            switch run.path.encapsulation {
            case .esp where run.hasHeader: unsafe receiveWithHeaders(run, &areas)
            case .udp where inbound.isTraced:
                unsafe receiveTraced(run, from: source ?? run.path.local, mark, &areas)
            case .udp:
                let bytes = run.datagrams.flatMap { $0 }
                let area = UnsafeMutableRawBufferPointer.allocate(
                    byteCount: max(bytes.count, 1),
                    alignment: 1
                )
                unsafe area.copyBytes(from: bytes)
                unsafe areas.append(area)
                unsafe inbound.receiveUDP(
                    area.baseAddress!,
                    byteCount: bytes.count,
                    segmentSize: run.segmentSize,
                    from: source ?? run.path.local,
                    to: run.path.remote,
                    trafficClass: mark,
                    hopLimit: run.hopLimit,
                    at: now
                )
            case .tcp:
                for datagram in run.datagrams { unsafe receiveStreamed(datagram, run, &areas) }
            case .esp:
                for datagram in run.datagrams {
                    let area = UnsafeMutableRawBufferPointer.allocate(
                        byteCount: max(datagram.count, 1),
                        alignment: 1
                    )
                    unsafe area.copyBytes(from: datagram)
                    unsafe areas.append(area)
                    unsafe inbound.receiveESP(
                        area.baseAddress!,
                        byteCount: datagram.count,
                        from: run.path.local.address,
                        to: run.path.remote.address,
                        trafficClass: mark,
                        hopLimit: run.hopLimit,
                        at: now
                    )
                }
            }
        }
        return openAll()
    }

    /// Receives runs in UDP as a worker does, a batch as large as may be at a time.
    func receiveAsTheyCome(_ runs: [SentRun], then act: () -> Void = {}) -> [[UInt8]] {
        var areas: [UnsafeMutableRawBufferPointer] = unsafe []
        defer { unsafe areas.forEach { unsafe $0.deallocate() } }
        var frames: [[UInt8]] = []
        for run in runs {
            if !inbound.hasRoom { frames += openAll() }
            let bytes = run.datagrams.flatMap { $0 }
            let area = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
            unsafe area.copyBytes(from: bytes)
            unsafe areas.append(area)
            unsafe inbound.receiveUDP(
                area.baseAddress!,
                byteCount: bytes.count,
                segmentSize: run.segmentSize,
                from: run.path.local,
                to: run.path.remote,
                trafficClass: run.trafficClass,
                hopLimit: 64,
                at: now
            )
            act()
        }
        return frames + openAll()
    }

    /// Opens the batch and returns the frames for the device.
    func openAll() -> [[UInt8]] {
        if inbound.isTraced { inbound.openTraced(at: now) } else { inbound.open(at: now) }
        frameDevices = unsafe inbound.deviceWrites.map(\.device)
        let frames = unsafe inbound.deviceWrites.map { write in
            unsafe Array(
                UnsafeRawBufferPointer(
                    start: inbound.deviceBytes + write.offset,
                    count: write.byteCount
                )
            )
        }
        control = unsafe inbound.controlDatagrams.map { unsafe (Array($0.bytes), $0.source) }
        inbound.reset()
        return frames
    }

    /// A datagram at a time, as while somebody looks.
    private func receiveTraced(
        _ run: SentRun,
        from source: Endpoint,
        _ trafficClass: UInt8,
        _ areas: inout [UnsafeMutableRawBufferPointer]
    ) {
        for datagram in run.datagrams {
            let area = UnsafeMutableRawBufferPointer.allocate(
                byteCount: max(datagram.count, 1),
                alignment: 1
            )
            unsafe area.copyBytes(from: datagram)
            unsafe areas.append(area)
            unsafe inbound.receiveUDPTraced(
                area.baseAddress!,
                byteCount: datagram.count,
                from: source,
                to: run.path.remote,
                trafficClass: trafficClass,
                hopLimit: run.hopLimit,
                at: now
            )
        }
    }

    /// The devices of what the last `receive` returned.
    private(set) var frameDevices: [DeviceNumber] = []

    /// As from a socket that hands up IP headers: AH whole, ESP without what a raw socket takes off.
    private func receiveWithHeaders(
        _ run: SentRun,
        _ areas: inout [UnsafeMutableRawBufferPointer]
    ) {
        for datagram in run.datagrams {
            let area = UnsafeMutableRawBufferPointer.allocate(
                byteCount: max(datagram.count, 1),
                alignment: 1
            )
            unsafe area.copyBytes(from: datagram)
            unsafe areas.append(area)
            guard let header = espOffset(datagram) else {
                if inbound.isTraced {
                    unsafe inbound.receiveAHTraced(
                        area.baseAddress!,
                        byteCount: datagram.count,
                        at: now
                    )
                } else {
                    unsafe inbound.receiveAH(area.baseAddress!, byteCount: datagram.count, at: now)
                }
                continue
            }
            let isV4 = datagram[0] >> 4 == 4
            unsafe inbound.receiveESP(
                area.baseAddress! + header,
                byteCount: datagram.count - header,
                from: run.path.local.address,
                to: run.path.remote.address,
                trafficClass: isV4 ? datagram[1] : datagram[0] << 4 | datagram[1] >> 4,
                hopLimit: datagram[isV4 ? 8 : 7],
                at: now
            )
        }
    }

    /// Where ESP begins in an IP packet; nil where another protocol is behind its headers.
    private func espOffset(_ packet: [UInt8]) -> Int? {
        guard let first = packet.first, packet.count >= 40 else { return nil }
        if first >> 4 == 4 { return packet[9] == 50 ? Int(first & 15) * 4 : nil }
        var kind = packet[6]
        var offset = 40
        while [0, 43, 60].contains(kind), offset + 8 <= packet.count {
            kind = packet[offset]
            offset += (Int(packet[offset + 1]) + 1) * 8
        }
        return kind == 50 ? offset : nil
    }

    /// Control datagrams of the last `receive`.
    private(set) var control: [([UInt8], Endpoint)] = []

    func outboundDrops(_ reason: DropReason) -> UInt64 { outbound.snapshot().dropCount(reason) }
    func inboundDrops(_ reason: DropReason) -> UInt64 { inbound.snapshot().dropCount(reason) }
}

/// The suites of ESP.
enum TestSuites {
    static let all: [CipherSuite] = {
        let hashes: [IntegrityAlgorithm] = [.hmacSHA256_128, .hmacSHA384_192, .hmacSHA512_256]
        var result: [CipherSuite?] = [128, 256].map {
            CipherSuite(encryption: .encryption(.aesGCM16, keyLengthBits: $0), integrity: nil)
        }
        result.append(CipherSuite(encryption: .encryption(.chaCha20Poly1305), integrity: nil))
        for hash in hashes {
            for length: UInt16 in [128, 256] {
                result.append(
                    CipherSuite(
                        encryption: .encryption(.aesCBC, keyLengthBits: length),
                        integrity: hash
                    )
                )
            }
        }
        result.append(
            CipherSuite(
                encryption: .encryption(.aesCTR, keyLengthBits: 256),
                integrity: .hmacSHA256_128
            )
        )
        return result.compactMap { $0 }
    }()

    static let gcm = all[0]
    static let cbc = all[3]
}

/// A tunnel between two gateways, in one direction.
struct TestTunnel {
    static let policy = PolicyIdentifier(rawValue: 7)

    var suite = TestSuites.gcm
    var encapsulation = Encapsulation.udp
    var outer = IPVersion.v4
    var isExtendedSequence = false
    var carriage = PacketCarriage.espTunnel
    /// Of AH.
    var integrity = IntegrityAlgorithm.hmacSHA256_128
    var backEnd = PacketCipherBackEnd.automatic
    /// Threads that may help with the cipher.
    var helpers = 0
    var identifier: UInt32 = 1
    var spi: UInt32 = 0x1000_0001
    var selectors = SelectorPair.pairs(
        local: [.everything(.v4), .everything(.v6)],
        remote: [.everything(.v4), .everything(.v6)]
    )

    var path: OuterPath {
        let addresses =
            outer == .v4 ? ("192.0.2.1", "198.51.100.2") : ("2001:db8:1::1", "2001:db8:2::2")
        return OuterPath(
            encapsulation: encapsulation,
            local: Endpoint(address: IPAddress(addresses.0)!, port: 4500),
            remote: Endpoint(address: IPAddress(addresses.1)!, port: 4500)
        )
    }

    private var keys: ESPKeys {
        var random = SeededRandomSource(seed: UInt64(spi))
        return ESPKeys(
            encryption: SecretBytes(random.bytes(suite.encryptionKeyLength)),
            integrity: SecretBytes(random.bytes(suite.integrityKeyLength))
        )
    }

    func transform(_ direction: PacketCipher.Direction) throws -> PacketTransform {
        if carriage.isAuthenticationHeader {
            var random = SeededRandomSource(seed: UInt64(spi))
            return .authenticator(
                try PacketAuthenticator(
                    integrity: integrity,
                    key: SecretBytes(random.bytes(integrity.authenticationHeaderKeyLength ?? 0)),
                    isExtendedSequence: isExtendedSequence,
                    direction: direction
                )
            )
        }
        if helpers > 0 {
            return .spread(
                try SpreadCipher(helpers: helpers) { () throws(CryptoError) in
                    try cipher(direction)
                }
            )
        }
        return .cipher(try cipher(direction))
    }

    func cipher(_ direction: PacketCipher.Direction) throws(CryptoError) -> PacketCipher {
        try PacketCipher(
            suite: suite,
            keys: keys,
            isExtendedSequence: isExtendedSequence,
            direction: direction,
            backEnd: backEnd
        )
    }

    func outbound() throws -> OutboundSAParameters {
        var parameters = OutboundSAParameters(
            identifier: SAIdentifier(rawValue: identifier),
            policy: TestTunnel.policy,
            spi: SPI(rawValue: spi),
            selectors: selectors,
            path: path,
            transform: try transform(.seal),
            isExtendedSequence: isExtendedSequence
        )
        parameters.carriage = carriage
        return parameters
    }

    func inbound() throws -> InboundSAParameters {
        var parameters = InboundSAParameters(
            identifier: SAIdentifier(rawValue: identifier),
            policy: TestTunnel.policy,
            spi: SPI(rawValue: spi),
            selectors: selectors.map { SelectorPair(local: $0.remote, remote: $0.local) },
            path: OuterPath(encapsulation: encapsulation, local: path.remote, remote: path.local),
            transform: try transform(.open),
            isExtendedSequence: isExtendedSequence
        )
        parameters.carriage = carriage
        return parameters
    }

    /// The two gateways themselves, which transport mode is for.
    var ends: (Endpoint, Endpoint) {
        (
            Endpoint(address: path.local.address, port: 40_000),
            Endpoint(address: path.remote.address, port: 443)
        )
    }

    /// One policy that protects everything.
    static let everything = PacketPathCommand.replacePolicies([
        PolicyEntry(
            identifier: policy,
            action: .protect,
            selectors: SelectorPair.pairs(
                local: [.everything(.v4), .everything(.v6)],
                remote: [.everything(.v4), .everything(.v6)]
            )
        )
    ])

    /// Two gateways with the tunnel up.
    func gateways(
        _ configuration: PacketPathConfiguration = PacketPathConfiguration(),
        outbound changeOutbound: (inout OutboundSAParameters) -> Void = { _ in },
        inbound changeInbound: (inout InboundSAParameters) -> Void = { _ in }
    ) throws -> (TestGateway, TestGateway) {
        let (near, far) = (TestGateway(configuration), TestGateway(configuration))
        near.apply(TestTunnel.everything)
        var sending = try outbound()
        changeOutbound(&sending)
        near.apply(.installOutbound(sending))
        var receiving = try inbound()
        changeInbound(&receiving)
        far.apply(.installInbound(receiving))
        return (near, far)
    }
}

/// Hosts behind the gateways.
enum TestHosts {
    static let nearV4 = Endpoint(address: IPAddress("10.1.0.5")!, port: 40_000)
    static let farV4 = Endpoint(address: IPAddress("10.2.0.9")!, port: 443)
    static let otherV4 = Endpoint(address: IPAddress("10.2.0.77")!, port: 443)
    static let nearV6 = Endpoint(address: IPAddress("fd00:1::5")!, port: 40_000)
    static let farV6 = Endpoint(address: IPAddress("fd00:2::9")!, port: 443)

    static func pair(_ version: IPVersion) -> (Endpoint, Endpoint) {
        version == .v4 ? (nearV4, farV4) : (nearV6, farV6)
    }
}

/// Bytes that repeat nowhere.
func pattern(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var random = SeededRandomSource(seed: seed)
    return random.bytes(count)
}
