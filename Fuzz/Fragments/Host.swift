internal import FuzzPacketPath

/// A host that puts fragments together, naively, and the worst that it may do with overlaps:
/// of IPv4 the older or the newer octets count (RFC 791 §3.2 has the newer); of IPv6 a packet with
/// overlaps is none (RFC 5722 §3).
struct Host {
    enum Overlap {
        case olderCounts
        case newerCounts
    }

    private struct Key: Hashable {
        var identification: UInt32
        var ipProtocol: UInt8
    }

    private struct Assembly {
        var octets: [Int: UInt8] = [:]
        var header: [UInt8]?
        var length: Int?
        var overlaps = false
    }

    let overlap: Overlap
    private var assemblies: [Key: Assembly] = [:]

    init(_ overlap: Overlap) { self.overlap = overlap }

    /// Takes a packet; the whole packet where there is one now.
    mutating func take(_ bytes: [UInt8]) -> [UInt8]? {
        guard let plain = PlainPacket(bytes) else {
            preconditionFailure("what was delivered is no packet")
        }
        guard let part = PlainFragment(bytes, plain) else { return bytes }
        let content = bytes[part.start..<plain.total]
        // RFC 791 §3.2, RFC 8200 §4.5.
        guard !part.hasMore || content.count % 8 == 0 else { return nil }
        let key = Key(
            identification: part.identification,
            ipProtocol: plain.isV4 ? plain.ipProtocol : 0
        )
        var assembly = assemblies[key] ?? Assembly()
        for (index, octet) in content.enumerated() {
            let place = part.offset + index
            if assembly.octets[place] != nil {
                assembly.overlaps = true
                if overlap == .olderCounts { continue }
            }
            assembly.octets[place] = octet
        }
        if part.offset == 0, assembly.header == nil || overlap == .newerCounts {
            var header = Array(bytes[..<part.header])
            if !plain.isV4 { header[part.nextPlace] = part.next }
            assembly.header = header
        }
        if !part.hasMore { assembly.length = part.offset + content.count }
        guard let whole = Host.whole(assembly, isV4: plain.isV4) else {
            assemblies[key] = assembly
            return nil
        }
        assemblies[key] = nil
        return whole
    }

    private static func whole(_ assembly: Assembly, isV4: Bool) -> [UInt8]? {
        guard let length = assembly.length, var packet = assembly.header,
            isV4 || !assembly.overlaps, packet.count + length <= 65_535
        else { return nil }
        let header = packet.count
        for place in 0..<length {
            guard let octet = assembly.octets[place] else { return nil }
            packet.append(octet)
        }
        packet.store16(isV4 ? packet.count : packet.count - 40, isV4 ? 2 : 4)
        if isV4 {
            packet.store16(0, 6)
            storeHeaderChecksum(&packet, length: header)
        }
        return packet
    }
}
