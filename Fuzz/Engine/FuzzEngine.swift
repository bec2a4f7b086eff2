internal import IKECredentials
internal import IKEMessages
internal import IKEProtocol
internal import IPsecCrypto
internal import IPsecPrimitives

/// Any datagrams, forged or truly from the peer, never end the program, and forged ones never an SA.
///
/// The first octet chooses: datagrams to an engine without SAs, to one with an SA, or, sealed with
/// the SA's keys, payloads that prove authentic. The rest is cut at each length octet pair.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzEngine(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    guard let mode = bytes.first else { return 0 }
    var ends = EnginePair()
    if mode & 3 != 0 { ends.establish() }
    var reader = ByteReader(bytes[1...])
    var messageID = UInt32(2)
    while let length = try? reader.readUInt16() {
        let part = Array((try? reader.read(min(Int(length), reader.remaining))) ?? [])
        if mode & 3 == 2 {
            ends.deliverSealed(part, exchange: 34 + mode >> 2 & 3, messageID: messageID)
            messageID += 1
        } else {
            ends.deliver(part)
            precondition(mode & 3 == 0 || ends.isEstablished, "a forged datagram ended an SA")
        }
    }
    ends.wait()
    return 0
}

private struct EnginePair {
    private var left: IKEEngine
    private var right: IKEEngine
    private var now = Instant(nanoseconds: 1_000_000_000)
    private let leftEnd = Endpoint(address: IPAddress("192.0.2.1")!, port: 500)
    private let rightEnd = Endpoint(address: IPAddress("192.0.2.2")!, port: 500)

    init() {
        var settings = EngineSettings()
        settings.exposesKeys = true
        left = IKEEngine(settings: settings, random: SeededRandomSource(seed: 1))
        right = IKEEngine(settings: settings, random: SeededRandomSource(seed: 2))
        let inside = TrafficSelector(prefix: IPPrefix("10.1.0.0/16")!)
        let outside = TrafficSelector(prefix: IPPrefix("10.2.0.0/16")!)
        configure(left, leftEnd, rightEnd, inside, outside)
        configure(right, rightEnd, leftEnd, outside, inside)
    }

    private func configure(
        _ engine: IKEEngine,
        _ local: Endpoint,
        _ remote: Endpoint,
        _ inside: TrafficSelector,
        _ outside: TrafficSelector
    ) {
        let ike = Proposal(
            securityProtocol: .ike,
            transforms: [
                .encryption(.aesGCM16, keyLengthBits: 128), .pseudorandomFunction(.hmacSHA256),
                .keyExchange(.curve25519),
            ]
        )
        let esp = Proposal(
            securityProtocol: .esp,
            transforms: [.encryption(.aesGCM16, keyLengthBits: 128)]
        )
        let identities = (Identity(address: local.address), Identity(address: remote.address))
        let connection = IKEConnection(
            name: "site",
            source: "fuzz:1",
            localAddress: local.address,
            remoteAddress: remote.address,
            localIdentity: identities.0,
            remoteIdentity: .exactly(identities.1),
            proposals: [ConfiguredProposal(ike, source: "fuzz:2")],
            children: [
                ChildPolicy(
                    name: "net",
                    source: "fuzz:3",
                    proposals: [ConfiguredProposal(esp, source: "fuzz:4")],
                    localSelectors: [inside],
                    remoteSelectors: [outside]
                )
            ]
        )
        var credentials = CredentialStore()
        credentials.addPresharedKey(SecretBytes([1, 2, 3]), local: .any, remote: .any)
        _ = engine.setConnections([connection], credentials: credentials, at: now)
    }

    var isEstablished: Bool {
        right.status(at: now).ikeSAs.contains { $0.stage == .established && !$0.children.isEmpty }
    }

    mutating func establish() {
        var toRight = left.handle(
            .initiate(IKEEvent.Initiation(connection: "site", child: "net")),
            at: now
        )
        for _ in 0..<2 {
            let toLeft = toRight.sent.flatMap { right.handle($0.arriving, at: now) }
            toRight = toLeft.sent.flatMap { left.handle($0.arriving, at: now) }
        }
        precondition(isEstablished)
    }

    mutating func deliver(_ bytes: [UInt8]) {
        let datagram = IKEDatagram(bytes: bytes, local: rightEnd, remote: leftEnd)
        _ = right.handle(.datagram(datagram), at: now)
    }

    /// A request whose payloads are `plaintext`, sealed as the left end would.
    mutating func deliverSealed(_ plaintext: [UInt8], exchange: UInt8, messageID: UInt32) {
        guard let sa = left.exposedKeys.first,
            let cipher = try? IKECipher(
                suite: sa.cipherSuite,
                encryptionKey: sa.keys.encryptionInitiator,
                integrityKey: sa.keys.integrityInitiator
            )
        else { return }
        let content = [UInt8](plaintext.dropFirst()) + [0]
        let length = 28 + 4 + cipher.ivLength + content.count + cipher.icvLength
        var writer = ByteWriter()
        writer.write(sa.initiatorSPI.rawValue)
        writer.write(sa.responderSPI.rawValue)
        writer.write([46, 0x20, exchange, 0x08])
        writer.write(messageID)
        writer.write(UInt32(length))
        writer.write([plaintext.first ?? 0, 0])
        writer.write(UInt16(length - 28))
        let iv = [UInt8](repeating: 9, count: cipher.ivLength)
        guard let sealed = try? cipher.seal(content, associatedData: writer.bytes, iv: iv) else {
            return
        }
        deliver(writer.bytes + sealed)
    }

    mutating func wait() {
        for _ in 0..<8 {
            guard let due = right.nextTimeout else { return }
            now = max(now, due)
            _ = right.handle(.timeout, at: now)
        }
    }
}

extension [IKEEffect] {
    fileprivate var sent: [IKEDatagram] {
        compactMap { if case .send(let datagram) = $0 { datagram } else { nil } }
    }
}

extension IKEDatagram {
    fileprivate var arriving: IKEEvent {
        .datagram(IKEDatagram(bytes: bytes, local: remote, remote: local))
    }
}
