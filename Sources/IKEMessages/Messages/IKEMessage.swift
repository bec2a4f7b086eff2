internal import IPsecPrimitives

/// A message as it came: header, payloads in clear, and perhaps a protected part that is neither
/// authentic nor readable yet.
package struct IKEMessage: Hashable, Sendable {
    package enum Protection: Hashable, Sendable {
        case none
        case encrypted(EncryptedPayload)
        case fragment(EncryptedFragmentPayload)
    }

    package let header: MessageHeader
    /// The payloads in clear, which stand before the Encrypted payload if there is one.
    package let payloads: [Payload]
    package let protection: Protection

    /// The Encrypted payload, if the message has one.
    package var encrypted: EncryptedPayload? {
        if case .encrypted(let payload) = protection { payload } else { nil }
    }

    /// Reads a whole datagram, without the non-ESP marker.
    ///
    /// Lengths are strict; reserved fields, flags of known payloads and the minor version are
    /// ignored (RFC 7296 §2.5, §3.1, §3.2).
    package init(
        reading bytes: [UInt8],
        limits: MessageLimits = .standard
    ) throws(MessageError) {
        let wire = try IKEMessage.header(of: bytes, limits: limits)
        var links: [PayloadLink]
        do {
            links = try PayloadChain.links(
                startingWith: wire.firstPayload,
                in: bytes[MessageHeader.octets...],
                limits: limits
            )
        } catch {
            throw .malformed(error)
        }
        protection = try IKEMessage.takeProtection(from: &links, of: bytes, limits: limits)
        var payloads: [Payload] = []
        payloads.reserveCapacity(links.count)
        for link in links {
            payloads.append(try Payload(reading: link, of: bytes[...], limits: limits))
        }
        self.payloads = payloads
        header = wire.header
    }

    private static func header(
        of bytes: [UInt8],
        limits: MessageLimits
    ) throws(MessageError) -> WireHeader {
        let wire: WireHeader
        do {
            wire = try WireHeader(reading: bytes)
        } catch {
            throw .malformed(error)
        }
        // Before anything else: another version may have other lengths.
        guard wire.majorVersion == MessageHeader.majorVersion else {
            throw .unsupportedMajorVersion(wire.majorVersion)
        }
        guard bytes.count <= limits.messageOctets else {
            throw .malformed(
                MalformedMessage(.limitExceeded("octets", limit: limits.messageOctets), at: 0)
            )
        }
        guard wire.messageOctets == bytes.count else {
            throw .malformed(
                MalformedMessage(
                    .invalidLength(stated: Int(wire.messageOctets), expected: bytes.count),
                    at: WireHeader.lengthOffset
                )
            )
        }
        return wire
    }

    /// Takes an Encrypted or Encrypted Fragment payload off the end of the chain.
    private static func takeProtection(
        from links: inout [PayloadLink],
        of bytes: [UInt8],
        limits: MessageLimits
    ) throws(MessageError) -> Protection {
        guard let last = links.last else { return .none }
        switch last.type {
        case .encrypted:
            links.removeLast()
            return .encrypted(
                EncryptedPayload(
                    firstPayload: last.next,
                    associatedData: Array(bytes[..<last.body.lowerBound]),
                    content: Array(bytes[last.body])
                )
            )
        case .encryptedFragment:
            links.removeLast()
            let typeOffset =
                links.last.map { $0.body.lowerBound - PayloadLink.headerOctets }
                ?? WireHeader.firstPayloadOffset
            do {
                return .fragment(
                    try EncryptedFragmentPayload(
                        link: last,
                        typeOffset: typeOffset,
                        message: bytes,
                        limits: limits
                    )
                )
            } catch {
                throw .malformed(error)
            }
        default: return .none
        }
    }
}
