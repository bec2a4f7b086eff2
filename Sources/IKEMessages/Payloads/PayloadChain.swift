package import IPsecPrimitives

/// The chain that payloads form, each naming the type of the next.
package enum PayloadChain {
    private static let criticalFlag: UInt8 = 0x80
    /// As many as most messages have at most; whoever makes a list makes room for them at once.
    package static let usualPayloads = 12

    /// Cuts `bytes` into links without looking into their bodies.
    ///
    /// The Encrypted and the Encrypted Fragment payload end the chain: what they name as next lies
    /// within them (RFC 7296 §3.14). Bytes behind the last link are a fault.
    package static func links(
        startingWith first: PayloadType,
        in bytes: ArraySlice<UInt8>,
        limits: MessageLimits = .standard
    ) throws(MalformedMessage) -> [PayloadLink] {
        var reader = PayloadReader(bytes, limits: limits)
        var links: [PayloadLink] = []
        links.reserveCapacity(usualPayloads)
        var type = first
        while type != .none {
            try reader.expect(links.count + 1, within: limits.payloads, of: "payloads")
            let link = try link(type, reading: &reader)
            links.append(link)
            if type == .encrypted || type == .encryptedFragment { break }
            type = link.next
        }
        try reader.expectEnd()
        return links
    }

    /// The link at the reader's place.
    package static func link(
        _ type: PayloadType,
        reading reader: inout PayloadReader
    ) throws(MalformedMessage) -> PayloadLink {
        let next = PayloadType(rawValue: try reader.readUInt8())
        let flags = try reader.readUInt8()
        let length = Int(try reader.readUInt16())
        guard length >= PayloadLink.headerOctets else {
            throw MalformedMessage(
                .invalidLength(stated: length, expected: PayloadLink.headerOctets),
                in: type,
                at: reader.offset - 2
            )
        }
        let body: Range<Int>
        do {
            body = try reader.skip(length - PayloadLink.headerOctets)
        } catch {
            throw MalformedMessage(error.fault, in: type, at: error.offset)
        }
        return PayloadLink(
            type: type,
            isCritical: flags & criticalFlag != 0,
            next: next,
            body: body
        )
    }

    /// The payloads in a chain. Precondition: no Encrypted payload among them, or it is a fault.
    package static func payloads(
        startingWith first: PayloadType,
        in bytes: ArraySlice<UInt8>,
        limits: MessageLimits = .standard
    ) throws(MessageError) -> [Payload] {
        let links: [PayloadLink]
        do {
            links = try self.links(startingWith: first, in: bytes, limits: limits)
        } catch {
            throw .malformed(error)
        }
        var payloads: [Payload] = []
        payloads.reserveCapacity(links.count)
        for link in links {
            payloads.append(try Payload(reading: link, of: bytes, limits: limits))
        }
        return payloads
    }

    /// Writes `payloads` as a chain whose last link names `last` as next.
    package static func write(
        _ payloads: [Payload],
        followedBy last: PayloadType = .none,
        into writer: inout ByteWriter
    ) {
        // A span lends its elements, where an array gives copies.
        let payloads = payloads.span
        for index in payloads.indices {
            let next = index + 1 < payloads.count ? payloads[index + 1].type : last
            writer.write(next.rawValue)
            // RFC 7296 §3.2: the critical flag "MUST be set to zero for payload types defined in
            // this document".
            writer.write(UInt8(0))
            let start = writer.count
            writer.write(UInt16(0))
            payloads[index].writeBody(into: &writer)
            writer.patchUInt16(writer.count - start + 2, at: start)
        }
    }
}
