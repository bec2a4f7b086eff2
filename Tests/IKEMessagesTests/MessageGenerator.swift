import IKEMessages
import IPsecPrimitives

/// Random payloads that are what the RFC allows, from a seed.
struct MessageGenerator {
    private var random: SeededRandomSource

    init(seed: UInt64) {
        random = SeededRandomSource(seed: seed)
    }

    mutating func number(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(random.next32() % UInt32(range.count))
    }

    mutating func bytes(_ range: ClosedRange<Int>) -> [UInt8] {
        random.bytes(number(range))
    }

    /// Every payload type that has a meaning, and one that has none.
    static let types: [PayloadType] = [
        .securityAssociation, .keyExchange, .identificationInitiator, .identificationResponder,
        .certificate, .certificateRequest, .authentication, .nonce, .notify, .delete, .vendorID,
        .trafficSelectorInitiator, .trafficSelectorResponder, .configuration,
        .extensibleAuthentication, .puzzleSolution, PayloadType(rawValue: 200),
    ]

    mutating func payload(_ type: PayloadType) -> Payload {
        switch type {
        case .securityAssociation:
            .securityAssociation(.init(proposals: (0...number(0...3)).map { proposal($0) }))
        case .keyExchange:
            .keyExchange(
                .init(
                    method: KeyExchangeMethod(rawValue: UInt16(number(0...65_535))),
                    data: bytes(0...512)
                )
            )
        case .identificationInitiator: .identificationInitiator(identification())
        case .identificationResponder: .identificationResponder(identification())
        case .certificate:
            .certificate(.init(encoding: .init(rawValue: byte()), data: bytes(0...300)))
        case .certificateRequest:
            .certificateRequest(
                .init(encoding: .init(rawValue: byte()), authorities: bytes(0...60))
            )
        case .authentication:
            .authentication(.init(method: .init(rawValue: byte()), data: bytes(0...64)))
        case .nonce: .nonce(.init(nonce: bytes(16...256)))
        case .notify: .notify(notify())
        case .delete: .delete(delete())
        case .vendorID: .vendorID(.init(identifier: bytes(0...32)))
        case .trafficSelectorInitiator: .trafficSelectorInitiator(trafficSelectors())
        case .trafficSelectorResponder: .trafficSelectorResponder(trafficSelectors())
        case .configuration: .configuration(configuration())
        case .extensibleAuthentication:
            .extensibleAuthentication(
                .init(code: .init(rawValue: byte()), identifier: byte(), data: bytes(0...40))
            )
        case .puzzleSolution: .puzzleSolution(.init(data: bytes(1...64))!)
        default: .unknown(.init(type: type, body: bytes(0...40)))
        }
    }

    mutating func payloads(_ count: ClosedRange<Int>) -> [Payload] {
        (0..<number(count)).map { _ in
            payload(MessageGenerator.types[number(0...MessageGenerator.types.count - 1)])
        }
    }

    mutating func header() -> MessageHeader {
        MessageHeader(
            initiatorSPI: IKESPI(rawValue: random.next64()),
            responderSPI: IKESPI(rawValue: random.next64()),
            exchangeType: ExchangeType(rawValue: byte()),
            isFromOriginalInitiator: byte() & 1 == 0,
            isResponse: byte() & 1 == 0,
            messageID: random.next32()
        )
    }

    private mutating func byte() -> UInt8 { UInt8(number(0...255)) }

    private mutating func proposal(_ index: Int) -> ProposalSubstructure {
        let choices: [(SecurityProtocol, Int)] = [(.ike, 0), (.ike, 8), (.esp, 4), (.ah, 4)]
        let (securityProtocol, octets) = choices[number(0...3)]
        return ProposalSubstructure(
            number: UInt8(index + 1),
            securityProtocol: securityProtocol,
            spi: random.bytes(octets),
            transforms: (0..<number(0...6)).map { _ in transform() }
        )
    }

    private mutating func transform() -> TransformSubstructure {
        TransformSubstructure(
            type: TransformType(rawValue: byte()),
            identifier: UInt16(number(0...65_535)),
            attributes: (0..<number(0...2)).map { _ in
                byte() & 1 == 0
                    ? .short(type: UInt16(number(0...0x7fff)), value: UInt16(number(0...65_535)))
                    : .long(type: UInt16(number(0...0x7fff)), value: bytes(0...9))
            }
        )
    }

    private mutating func identification() -> IdentificationPayload {
        switch number(0...3) {
        case 0: .init(type: .ipv4Address, data: random.bytes(4))
        case 1: .init(type: .ipv6Address, data: random.bytes(16))
        case 2: .init(type: .fqdn, data: bytes(0...30))
        default: .init(type: .keyID, data: bytes(0...30))
        }
    }

    private mutating func notify() -> NotifyPayload {
        let type = NotifyType(rawValue: UInt16(number(0...65_535)))
        guard byte() & 1 == 0 else { return NotifyPayload(type, data: bytes(0...40)) }
        return NotifyPayload(
            type,
            securityProtocol: .esp,
            spi: SPI(rawValue: random.next32()),
            data: bytes(0...8)
        )
    }

    private mutating func delete() -> DeletePayload {
        guard byte() & 1 == 0 else { return .ikeSA }
        return DeletePayload(
            childSPIs: (0..<number(0...5)).map { _ in SPI(rawValue: random.next32()) }
        )
    }

    private mutating func trafficSelectors() -> TrafficSelectorPayload {
        TrafficSelectorPayload(
            entries: (0...number(0...4)).map { _ in
                number(0...4) == 0
                    ? .unknown(
                        type: .init(rawValue: 9),
                        ipProtocol: byte(),
                        body: bytes(0...20)
                    )
                    : .range(selector())
            }
        )
    }

    private mutating func selector() -> TrafficSelector {
        let version: IPVersion = byte() & 1 == 0 ? .v4 : .v6
        let bounds = [0, 1].map { _ in
            IPAddress(
                version: version,
                bits: UInt128(random.next64()) << 64 | UInt128(random.next64())
            )
        }.sorted { $0.bits < $1.bits }
        let ipProtocol = byte() & 1 == 0 ? 0 : byte()
        let ports: PortRange
        if ipProtocol == 0 {
            ports = .any
        } else if number(0...3) == 0 {
            ports = .opaque
        } else {
            let lower = UInt16(number(0...65_535))
            ports = PortRange(lower, through: UInt16(number(Int(lower)...65_535)))!
        }
        return TrafficSelector(
            first: bounds[0],
            last: bounds[1],
            ipProtocol: ipProtocol,
            ports: ports
        )!
    }

    private mutating func configuration() -> ConfigurationPayload {
        ConfigurationPayload(
            type: .init(rawValue: byte()),
            attributes: (0..<number(0...4)).map { _ in
                .init(type: .init(rawValue: UInt16(number(0...0x7fff))), value: bytes(0...20))
            }
        )
    }
}
