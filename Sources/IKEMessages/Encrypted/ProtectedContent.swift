internal import IPsecPrimitives

/// What an Encrypted payload protects, without padding: payloads that are not read yet, or not
/// sealed yet.
///
/// Sealed whole or in fragments (RFC 7383 §2.5), again if the first size does not pass, and the
/// part of a message that IKE_INTERMEDIATE authenticates (RFC 9242 §3.3.2).
package struct ProtectedContent: Hashable, Sendable {
    /// The type of the first payload.
    package let firstPayload: PayloadType
    package let octets: [UInt8]

    package init(firstPayload: PayloadType, octets: [UInt8]) {
        self.firstPayload = firstPayload
        self.octets = octets
    }

    package init(_ payloads: [Payload]) {
        var writer = ByteWriter(reserving: 512)
        PayloadChain.write(payloads, into: &writer)
        firstPayload = payloads.first?.type ?? .none
        octets = writer.bytes
    }

    package func payloads(limits: MessageLimits = .standard) throws(MessageError) -> [Payload] {
        try PayloadChain.payloads(startingWith: firstPayload, in: octets[...], limits: limits)
    }
}
