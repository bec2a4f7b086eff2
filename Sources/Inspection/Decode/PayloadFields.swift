internal import IKEMessages
internal import IPsecPrimitives

/// What a payload says, as fields to show.
enum PayloadFields {
    static func of(_ payload: Payload) -> [DecodedField] {
        switch payload {
        case .securityAssociation(let payload): payload.proposals.map(proposal)
        case .keyExchange(let payload):
            [
                DecodedField(
                    "method",
                    TransformNames.name(
                        type: .keyExchange,
                        identifier: payload.method.rawValue
                    )
                ),
                DecodedField("data", hexadecimal(payload.data)),
            ]
        case .identificationInitiator(let payload), .identificationResponder(let payload):
            [
                DecodedField("type", payload.type.description),
                DecodedField("identity", identity(payload)),
            ]
        case .certificate(let payload):
            [
                DecodedField("encoding", payload.encoding.description),
                DecodedField("data", hexadecimal(payload.data)),
            ]
        case .certificateRequest(let payload):
            [
                DecodedField("encoding", payload.encoding.description),
                DecodedField(
                    "authorities",
                    payload.authorities.isEmpty ? "(any)" : hexadecimal(payload.authorities)
                ),
            ]
        case .authentication(let payload):
            [
                DecodedField("method", payload.method.description),
                DecodedField("data", hexadecimal(payload.data)),
            ]
        case .nonce(let payload): [DecodedField("nonce", hexadecimal(payload.nonce))]
        case .notify(let payload): NotifyFields.of(payload)
        case .delete(let payload): delete(payload)
        case .vendorID(let payload):
            [DecodedField("identifier", PrintableText.of(payload.identifier))]
        case .trafficSelectorInitiator(let payload), .trafficSelectorResponder(let payload):
            payload.entries.map(selector)
        case .configuration(let payload):
            [DecodedField("type", payload.type.description)] + payload.attributes.map(attribute)
        case .extensibleAuthentication(let payload):
            [
                DecodedField("code", payload.code.description),
                DecodedField("identifier", "\(payload.identifier)"),
                DecodedField("data", hexadecimal(payload.data)),
            ]
        case .puzzleSolution(let payload): [DecodedField("keys", hexadecimal(payload.data))]
        case .unknown(let payload): [DecodedField("data", hexadecimal(payload.body))]
        }
    }

    private static func proposal(_ proposal: ProposalSubstructure) -> DecodedField {
        let spi = proposal.spi.isEmpty ? "" : ", SPI \(hexadecimal(proposal.spi))"
        return DecodedField(
            "proposal \(proposal.number)",
            "\(proposal.securityProtocol)\(spi)",
            fields: proposal.transforms.map { transform in
                let attributes = transform.attributes.map(attribute).joined()
                return DecodedField(
                    TransformNames.name(of: transform.type),
                    TransformNames.name(type: transform.type, identifier: transform.identifier)
                        + attributes
                )
            }
        )
    }

    private static func attribute(_ attribute: TransformAttribute) -> String {
        switch attribute {
        case .short(type: TransformAttribute.keyLengthType, let value): ", \(value) bits"
        case .short(let type, let value): ", attribute \(type) = \(value)"
        case .long(let type, let value): ", attribute \(type) = \(hexadecimal(value))"
        }
    }

    private static func identity(_ payload: IdentificationPayload) -> String {
        switch payload.type {
        case .ipv4Address, .ipv6Address:
            IPAddress(bytes: payload.data)?.description ?? hexadecimal(payload.data)
        default: PrintableText.of(payload.data)
        }
    }

    private static func delete(_ payload: DeletePayload) -> [DecodedField] {
        [DecodedField("protocol", payload.securityProtocol.description)]
            + payload.spis.map { DecodedField("SPI", hexadecimal($0)) }
    }

    private static func selector(_ entry: TrafficSelectorSubstructure) -> DecodedField {
        switch entry {
        case .range(let selector): DecodedField("selector", selector.description)
        case .unknown(let type, let ipProtocol, let body):
            DecodedField(type.description, "protocol \(ipProtocol), \(hexadecimal(body))")
        }
    }

    private static func attribute(_ attribute: ConfigurationPayload.Attribute) -> DecodedField {
        let text =
            switch ConfigurationAttribute(attribute) {
            case .unknown: PrintableText.of(attribute.value)
            case .applicationVersion, .dnsDomain: PrintableText.of(attribute.value)
            case let known: known.description
            }
        return DecodedField(attribute.type.description, text)
    }
}
