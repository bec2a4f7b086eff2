internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// An attacker without the secret who begins an IKE SA in the place of a peer, and then has keys,
/// but has proven nothing.
struct Stranger {
    let target: Int
    /// The peer in whose place he speaks, and where the target is found.
    let source: Endpoint
    let destination: Endpoint
    let spi: IKESPI
    let localIdentity: String
    let remoteIdentity: String
    let selectors: (ours: TrafficSelector, theirs: TrafficSelector)
    let esp: Proposal
    private let keyPair: KeyExchangeKeyPair
    private let nonce: [UInt8]
    private let prf: PRF
    private let suite: CipherSuite
    let request: [UInt8]
    private var responderSPI = IKESPI.zero
    private var cipher: IKECipher?
    private var nextVector: UInt64 = 0

    /// Nil for proposals that he does not know how to make.
    init?(
        _ scenario: Scenario,
        peering: PeeringPlan,
        target: Int,
        random: inout any RandomSource
    ) {
        let peer = peering.other(than: target)
        let end = peering.end(of: peer)
        let tunnel = peering.tunnels[0].ends[peer == peering.gateways[0] ? 0 : 1]
        let ike = Stranger.transforms(end.ikeProposals[0])
        let espTransforms = Stranger.transforms(tunnel.espProposals.first ?? "aes128gcm16")
        guard let encryption = ike.first(where: { $0.type == .encryption }),
            let function = ike.first(where: { $0.type == .pseudorandomFunction }),
            let method = ike.first(where: { $0.type == .keyExchange }),
            let prf = PRF(PseudorandomFunction(rawValue: function.identifier)),
            let suite = CipherSuite(encryption: encryption, integrity: nil),
            let pair = try? KeyExchangeKeyPair.generate(
                KeyExchangeMethod(rawValue: method.identifier),
                random: &random,
                keyEncapsulation: scenario.keyExchange
            )
        else { return nil }
        self.target = target
        self.prf = prf
        self.suite = suite
        keyPair = pair
        nonce = random.bytes(32)
        spi = IKESPI(rawValue: random.next64())
        localIdentity = end.localIdentity
        remoteIdentity = end.remoteIdentity
        selectors = (
            TrafficSelector(prefix: tunnel.local[0].network),
            TrafficSelector(prefix: tunnel.remote[0].network)
        )
        esp = Proposal(
            securityProtocol: .esp,
            transforms: espTransforms.filter { $0.type != .keyExchange }
                + [.sequenceNumbers(.extended)]
        )
        source = Endpoint(address: scenario.gateways[peer].publicAddress, port: IKEPorts.ike)
        destination = Endpoint(address: scenario.gateways[target].publicAddress, port: IKEPorts.ike)
        let proposal = Proposal(securityProtocol: .ike, transforms: ike)
        request = IKEMessage.serialise(
            Stranger.header(spi, .zero, .ikeSAInit, 0),
            payloads: [
                .securityAssociation(
                    SecurityAssociationPayload(proposals: [
                        ProposalSubstructure(number: 1, spi: [], proposal: proposal)
                    ])
                ), .keyExchange(KeyExchangePayload(method: pair.method, data: pair.publicValue)),
                .nonce(NoncePayload(nonce: nonce)),
            ]
        )
    }

    private static func transforms(_ proposal: String) -> [Transform] {
        proposal.split(separator: "-").compactMap { ProposalKeyword.transform(for: String($0)) }
    }

    private static func header(
        _ initiator: IKESPI,
        _ responder: IKESPI,
        _ exchange: ExchangeType,
        _ number: UInt32
    ) -> MessageHeader {
        MessageHeader(
            initiatorSPI: initiator,
            responderSPI: responder,
            exchangeType: exchange,
            isFromOriginalInitiator: true,
            isResponse: false,
            messageID: number
        )
    }

    /// Takes the answer to `request`; false when it is something else.
    mutating func hears(_ message: [UInt8]) -> Bool {
        guard let header = try? WireHeader(reading: message).header, header.initiatorSPI == spi,
            header.isResponse, header.exchangeType == .ikeSAInit,
            let answer = try? IKEMessage(reading: message)
        else { return false }
        var theirs: [UInt8]?
        var theirNonce: [UInt8]?
        for payload in answer.payloads {
            if case .keyExchange(let exchange) = payload { theirs = Array(exchange.data) }
            if case .nonce(let payload) = payload { theirNonce = Array(payload.nonce) }
        }
        guard let theirs, let theirNonce, let secret = try? keyPair.sharedSecret(with: theirs)
        else {
            return false
        }
        responderSPI = answer.header.responderSPI
        let keys = IKEKeys.derive(
            prf: prf,
            cipherSuite: suite,
            context: IKEKeys.Context(
                nonceInitiator: nonce,
                nonceResponder: theirNonce,
                spiInitiator: spi,
                spiResponder: responderSPI
            ),
            sharedSecret: secret
        )
        cipher = try? IKECipher(
            suite: suite,
            encryptionKey: keys.encryptionInitiator,
            integrityKey: keys.integrityInitiator
        )
        return cipher != nil
    }

    /// A message that the target can open.
    mutating func seal(
        _ exchange: ExchangeType,
        _ number: UInt32,
        _ payloads: [Payload]
    ) -> [UInt8]? {
        guard let cipher else { return nil }
        nextVector += 1
        var vector = ByteWriter(reserving: 8)
        vector.write(nextVector)
        let lengths = SealingLengths(
            initialisationVector: cipher.ivLength,
            block: cipher.blockLength,
            integrityCheckValue: cipher.icvLength
        )
        return try? IKEMessage.serialise(
            Stranger.header(spi, responderSPI, exchange, number),
            protected: payloads,
            lengths: lengths
        ) { (plaintext, associatedData) throws(CryptoError) in
            try cipher.seal(plaintext, associatedData: associatedData, iv: vector.bytes)
        }
    }
}

extension Stranger {
    /// What a peer says to get a Child SA.
    func child(random: inout any RandomSource) -> [Payload] {
        let spi = (random.next32() | 0x100).bigEndian
        let bytes = (0..<4).map { UInt8(truncatingIfNeeded: spi >> (8 * UInt32($0))) }
        return [
            .securityAssociation(
                SecurityAssociationPayload(proposals: [
                    ProposalSubstructure(number: 1, spi: bytes, proposal: esp)
                ])
            ),
            .trafficSelectorInitiator(TrafficSelectorPayload(selectors: [selectors.ours])),
            .trafficSelectorResponder(TrafficSelectorPayload(selectors: [selectors.theirs])),
        ]
    }

    /// IKE_AUTH as the peer would send it, with a proof that is none.
    func proof(_ octets: [UInt8]?, random: inout any RandomSource) -> [Payload] {
        var payloads: [Payload] = [
            .identificationInitiator(
                IdentificationPayload(
                    type: .fqdn,
                    data: Array(localIdentity.utf8)
                )
            ),
            .identificationResponder(
                IdentificationPayload(
                    type: .fqdn,
                    data: Array(remoteIdentity.utf8)
                )
            ),
        ]
        if let octets {
            payloads.append(
                .authentication(AuthenticationPayload(method: .sharedKey, data: octets))
            )
        }
        return payloads + child(random: &random)
    }
}
