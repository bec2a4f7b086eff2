internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// Shows an IKE message as far as it can be read.
struct MessageDecoder {
    private let keys: DecodingKeys
    private var fragments = FragmentCollector()

    init(keys: DecodingKeys) {
        self.keys = keys
    }

    mutating func decode(_ bytes: [UInt8]) -> DecodedMessage {
        var decoded = DecodedMessage()
        let wire: WireHeader
        do {
            wire = try WireHeader(reading: bytes)
        } catch {
            decoded.problem = DecodedProblem(error.fault.description, at: error.offset)
            return decoded
        }
        decoded.header = MessageDecoder.header(wire)
        guard wire.majorVersion == MessageHeader.majorVersion else {
            decoded.problem = DecodedProblem("not IKE version 2", at: 17)
            return decoded
        }
        let chain = decodeChain(
            startingWith: wire.firstPayload,
            in: bytes[MessageHeader.octets...]
        )
        decoded.payloads = chain.payloads
        decoded.problem = chain.problem
        if let last = chain.protection {
            decoded.encrypted = decode(last, of: bytes, header: wire.header)
        }
        if decoded.problem == nil, wire.messageOctets != bytes.count {
            decoded.problem = DecodedProblem(
                "length field says \(wire.messageOctets), there are \(bytes.count) octets",
                at: 24
            )
        }
        return decoded
    }

    private static func header(_ wire: WireHeader) -> DecodedMessage.Header {
        let header = wire.header
        return DecodedMessage.Header(
            initiatorSPI: header.initiatorSPI.description,
            responderSPI: header.responderSPI.description,
            version: "\(wire.majorVersion).\(header.minorVersion)",
            exchange: header.exchangeType.description,
            isResponse: header.isResponse,
            isFromOriginalInitiator: header.isFromOriginalInitiator,
            messageID: header.messageID,
            octets: wire.messageOctets
        )
    }

    // MARK: - Chains

    private struct Chain {
        var payloads: [DecodedPayload] = []
        var protection: PayloadLink?
        var problem: DecodedProblem?
    }

    /// Goes along the chain as far as the lengths carry; a payload that is malformed within is
    /// shown as such, and the next one after it.
    private func decodeChain(startingWith first: PayloadType, in bytes: ArraySlice<UInt8>) -> Chain
    {
        var chain = Chain()
        var reader = PayloadReader(bytes)
        var type = first
        do {
            while type != .none {
                try reader.expect(
                    chain.payloads.count + 1,
                    within: reader.limits.payloads,
                    of: "payloads"
                )
                let link = try PayloadChain.link(type, reading: &reader)
                if type == .encrypted || type == .encryptedFragment {
                    chain.protection = link
                    break
                }
                chain.payloads.append(MessageDecoder.payload(link, of: bytes))
                type = link.next
            }
            try reader.expectEnd()
        } catch {
            let name = error.payload.map { "\($0): " } ?? ""
            chain.problem = DecodedProblem(name + error.fault.description, at: error.offset)
        }
        return chain
    }

    private static func payload(
        _ link: PayloadLink,
        of bytes: ArraySlice<UInt8>
    ) -> DecodedPayload {
        var decoded = DecodedPayload(
            type: link.type.description,
            octets: link.body.count + PayloadLink.headerOctets,
            isCritical: link.isCritical
        )
        do {
            decoded.fields = PayloadFields.of(
                try Payload(reading: link, of: bytes, limits: .standard)
            )
        } catch {
            decoded.fields = [DecodedField("data", hexadecimal(bytes[link.body]))]
            if case .malformed(let malformed) = error {
                decoded.problem = DecodedProblem(
                    malformed.fault.description,
                    at: malformed.offset
                )
            } else {
                decoded.problem = DecodedProblem(error.description, at: link.body.lowerBound - 4)
            }
        }
        return decoded
    }

    // MARK: - Encrypted parts

    private mutating func decode(
        _ link: PayloadLink,
        of bytes: [UInt8],
        header: MessageHeader
    ) -> DecodedEncryption {
        var decoded = DecodedEncryption(
            type: link.type.description,
            octets: link.body.count + PayloadLink.headerOctets
        )
        var content = bytes[link.body]
        var place: FragmentCollector.Place?
        if link.type == .encryptedFragment {
            var reader = ByteReader(content)
            guard let number = try? reader.readUInt16(), let total = try? reader.readUInt16(),
                number > 0, number <= total
            else {
                decoded.problem = DecodedProblem(
                    "impossible fragment number",
                    at: link.body.lowerBound
                )
                return decoded
            }
            place = FragmentCollector.Place(number: number, total: total)
            decoded.fragment = "\(number) of \(total)"
            content = reader.readRest()
        }
        guard
            let plaintext = open(
                content,
                associatedData: bytes[..<content.startIndex],
                header: header,
                into: &decoded
            )
        else { return decoded }
        decode(plaintext, link: link, place: place, header: header, into: &decoded)
        return decoded
    }

    /// Tries each key that there is for the SA, and notes what came of it.
    private func open(
        _ content: ArraySlice<UInt8>,
        associatedData: ArraySlice<UInt8>,
        header: MessageHeader,
        into decoded: inout DecodedEncryption
    ) -> [UInt8]? {
        let candidates = keys.messageKeys(
            initiator: header.initiatorSPI,
            responder: header.responderSPI
        )
        for candidate in candidates {
            let cipher =
                header.isFromOriginalInitiator ? candidate.fromInitiator : candidate.fromResponder
            if let plaintext = try? cipher.open(content, associatedData: associatedData) {
                decoded.state = .opened
                decoded.cipher = candidate.name
                return plaintext
            }
        }
        if !candidates.isEmpty { decoded.state = .notAuthentic }
        return nil
    }

    private mutating func decode(
        _ plaintext: [UInt8],
        link: PayloadLink,
        place: FragmentCollector.Place?,
        header: MessageHeader,
        into decoded: inout DecodedEncryption
    ) {
        var first = link.next
        var inner: [UInt8]
        do {
            inner = Array(plaintext[..<(try EncryptedPadding.contentOctets(of: plaintext))])
        } catch {
            decoded.problem = DecodedProblem(error.fault.description, at: error.offset)
            return
        }
        if let place {
            guard
                let whole = fragments.add(inner, at: place, firstPayload: first, of: header)
            else {
                decoded.state = .incomplete
                return
            }
            (first, inner) = whole
        }
        let chain = decodeChain(startingWith: first, in: inner[...])
        decoded.payloads = chain.payloads
        decoded.problem = chain.problem
        if let nested = chain.protection {
            decoded.problem = DecodedProblem(
                "\(nested.type) within an encrypted payload",
                at: nested.body.lowerBound
            )
        }
    }
}
