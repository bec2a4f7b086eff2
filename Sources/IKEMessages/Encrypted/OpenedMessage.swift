internal import IPsecPrimitives

/// A protected message that proved authentic, whether it came whole or in fragments.
package struct OpenedMessage: Hashable, Sendable {
    /// From the IKE header to the generic header of the Encrypted payload.
    private let head: [UInt8]
    package let content: ProtectedContent

    /// - Parameter head: whatever its two length fields say.
    package init(head: [UInt8], content: ProtectedContent) {
        self.head = head
        self.content = content
    }

    /// A message of our own, before it is sealed.
    package init(_ header: MessageHeader, content: ProtectedContent) {
        var writer = ByteWriter(reserving: MessageHeader.octets + PayloadLink.headerOctets)
        WireHeader.write(header, firstPayload: .encrypted, into: &writer)
        writer.write(content.firstPayload.rawValue)
        writer.write(UInt8(0))
        writer.write(UInt16(0))
        self.init(head: writer.bytes, content: content)
    }

    /// IntAuth_A | IntAuth_P of RFC 9242 §3.3.2: the message with lengths that count neither
    /// initialisation vector nor padding nor integrity check value.
    package var authenticatedOctets: [UInt8] {
        let payloadOctets = PayloadLink.headerOctets + content.octets.count
        var writer = ByteWriter(reserving: head.count + content.octets.count)
        writer.write(head)
        writer.patchUInt32(head.count + content.octets.count, at: WireHeader.lengthOffset)
        writer.patchUInt16(payloadOctets, at: head.count - 2)
        writer.write(content.octets)
        return writer.bytes
    }
}

extension EncryptedPayload {
    /// The message around this payload, with what `openContent` gave.
    package func message(holding content: ProtectedContent) -> OpenedMessage {
        OpenedMessage(head: associatedData, content: content)
    }
}
