/// The packet that an ICMP error is about, as far as the error quotes it (RFC 792, RFC 4443 §2.4
/// (c)): its selectors, seen by who sent it.
struct QuotedPacket {
    let source: UInt128
    let destination: UInt128
    private let ports: UInt32
    private let hasPorts: Bool
    private let ipProtocol: UInt8
    private let isV4: Bool

    /// RFC 8200 §4.1 names six kinds of extension header, one of them twice.
    private static let maximumExtensionHeaders = 8

    /// Nil for what is no error, is a fragment, or quotes no header of its own IP version.
    ///
    /// Redirects and source quenches are left out: the first would have a host send elsewhere, and
    /// the others are obsolete (RFC 6633). They pass where an SA covers them by their own header.
    init?(_ bytes: UnsafeMutableRawPointer, _ message: InnerPacket) {
        guard message.hasPorts, !message.isFragment,
            QuotedPacket.isError(message.sourcePort >> 8, message)
        else { return nil }
        let start = message.headerLength + 8
        let available = message.totalLength - start
        guard available >= 20 else { return nil }
        let quoted = unsafe bytes + start
        isV4 = message.isV4
        var offset: Int
        var kind: UInt8
        var isLater = false
        if message.isV4 {
            offset = Int(unsafe quoted.read8(0) & 15) * 4
            guard unsafe quoted.read8(0) >> 4 == 4, offset >= 20 else { return nil }
            kind = unsafe quoted.read8(9)
            isLater = unsafe quoted.read16(6) & 0x1fff != 0
            source = UInt128(unsafe quoted.read32(12))
            destination = UInt128(unsafe quoted.read32(16))
        } else {
            guard available >= 40, unsafe quoted.read8(0) >> 4 == 6 else { return nil }
            source = unsafe quoted.read128(8)
            destination = unsafe quoted.read128(24)
            offset = 40
            kind = unsafe quoted.read8(6)
            var count = 0
            while !isLater, QuotedPacket.isExtension(kind) {
                guard offset + 8 <= available, count < QuotedPacket.maximumExtensionHeaders else {
                    return nil
                }
                isLater = unsafe kind == 44 && quoted.read16(offset + 2) & 0xfff8 != 0
                let length = kind == 44 ? 8 : (Int(unsafe quoted.read8(offset + 1)) + 1) * 8
                kind = unsafe quoted.read8(offset)
                offset += length
                count += 1
            }
        }
        ipProtocol = kind
        let visible =
            isLater
            ? nil : unsafe QuotedPacket.ports(quoted + offset, kind, available: available - offset)
        ports = visible ?? 0
        hasPorts = visible != nil
    }

    /// Ports, or type and code on either side; nil where they are not there to be seen.
    private static func ports(
        _ upper: UnsafeMutableRawPointer,
        _ ipProtocol: UInt8,
        available: Int
    ) -> UInt32? {
        switch ipProtocol {
        case 6, 17, 33, 132, 136: return available >= 4 ? unsafe upper.read32(0) : nil
        case 1, 58:
            guard available >= 2 else { return nil }
            let type = UInt32(unsafe upper.read16(0))
            return type << 16 | type
        default: return nil
        }
    }

    private static func isError(_ type: UInt16, _ message: InnerPacket) -> Bool {
        switch (message.isV4, message.ipProtocol) {
        case (true, 1): type == 3 || type == 11 || type == 12
        case (false, 58): (1...4).contains(type)
        default: false
        }
    }

    private static func isExtension(_ number: UInt8) -> Bool {
        switch number {
        case 0, 43, 44, 60, 139, 140: true
        default: false
        }
    }

    /// What policy is asked about a packet that this end had sent.
    var sent: PolicyQuery {
        PolicyQuery(
            local: source,
            remote: destination,
            localPort: UInt16(truncatingIfNeeded: ports >> 16),
            remotePort: UInt16(truncatingIfNeeded: ports),
            ipProtocol: ipProtocol,
            isV4: isV4,
            hasPorts: hasPorts,
            isOutbound: true
        )
    }

    /// What policy is asked about a packet that had come to this end.
    var received: PolicyQuery {
        PolicyQuery(
            local: destination,
            remote: source,
            localPort: UInt16(truncatingIfNeeded: ports),
            remotePort: UInt16(truncatingIfNeeded: ports >> 16),
            ipProtocol: ipProtocol,
            isV4: isV4,
            hasPorts: hasPorts,
            isOutbound: false
        )
    }
}
