internal import IKEMessages
internal import IPsecPrimitives

/// What a Notify payload says, as fields to show.
enum NotifyFields {
    static func of(_ payload: NotifyPayload) -> [DecodedField] {
        var fields = [DecodedField("type", payload.type.description)]
        if !payload.spi.isEmpty {
            fields.append(
                DecodedField(
                    "SPI",
                    "\(payload.securityProtocol) \(hexadecimal(payload.spi))"
                )
            )
        }
        if !payload.data.isEmpty {
            fields.append(DecodedField("data", meaning(payload) ?? hexadecimal(payload.data)))
        }
        return fields
    }

    /// The data in words, for the types where it has some.
    private static func meaning(_ payload: NotifyPayload) -> String? {
        let data = payload.data
        switch payload.type {
        case .invalidKEPayload where data.count == 2:
            return TransformNames.name(
                type: .keyExchange,
                identifier: UInt16(data[0]) << 8 | UInt16(data[1])
            )
        case .unsupportedCriticalPayload where data.count == 1:
            return PayloadType(rawValue: data[0]).description
        case .additionalIP4Address, .additionalIP6Address:
            return IPAddress(bytes: data)?.description
        case .signatureHashAlgorithms where data.count % 2 == 0:
            return stride(from: 0, to: data.count, by: 2)
                .map { hashName(UInt16(data[$0]) << 8 | UInt16(data[$0 + 1])) }
                .joined(separator: ", ")
        default: return nil
        }
    }

    /// IANA "IKEv2 Hash Algorithms" (RFC 7427 §4, RFC 8420 §3).
    private static func hashName(_ number: UInt16) -> String {
        switch number {
        case 1: "SHA1"
        case 2: "SHA2-256"
        case 3: "SHA2-384"
        case 4: "SHA2-512"
        case 5: "Identity"
        default: "hash \(number)"
        }
    }
}
