internal import FuzzPacketPath

/// An IP packet with AH in it, taken to pieces as RFC 4302 §2 and §3.1 say.
struct AuthenticatedPacket {
    /// The packet, without what lies behind its own length.
    var bytes: [UInt8]
    var isV4: Bool
    /// Octets before AH.
    var prefix: Int
    /// Where the number of AH is written.
    var nextPlace: Int
    /// Octets of AH.
    var length: Int

    var next: UInt8 { bytes[prefix] }
    var spi: UInt32 { bytes.number32(prefix + 4) }
    var number: UInt32 { bytes.number32(prefix + 8) }
    var payload: [UInt8] { Array(bytes[(prefix + length)...]) }
    var trafficClass: UInt8 { isV4 ? bytes[1] : UInt8(bytes.number16(0) >> 4 & 255) }

    private static let protocolAH: UInt8 = 51
    /// RFC 8200 §4.1 has four headers before AH, one of them twice.
    private static let mostExtensions = 6

    /// Nil for what is no whole packet with AH behind its IPv4 header, or behind hop-by-hop and
    /// destination options and routing headers; and for a fragment (RFC 4302 §3.4.1).
    init?(_ octets: [UInt8]) {
        guard let first = octets.first, first >> 4 == 4 || first >> 4 == 6 else { return nil }
        isV4 = first >> 4 == 4
        guard octets.count >= (isV4 ? 20 : 40) else { return nil }
        let total = isV4 ? octets.number16(2) : 40 + octets.number16(4)
        guard total <= octets.count else { return nil }
        bytes = Array(octets.prefix(total))
        prefix = isV4 ? Int(first & 15) * 4 : 40
        nextPlace = isV4 ? 9 : 6
        length = 0
        guard prefix >= (isV4 ? 20 : 40), prefix <= total else { return nil }
        if isV4, bytes.number16(6) & 0x3fff != 0 { return nil }
        var extensions = 0
        while bytes[nextPlace] != AuthenticatedPacket.protocolAH {
            extensions += 1
            guard !isV4, [0, 43, 60].contains(bytes[nextPlace]), prefix + 8 <= total,
                extensions <= AuthenticatedPacket.mostExtensions
            else { return nil }
            nextPlace = prefix
            prefix += 8 * (Int(bytes[prefix + 1]) + 1)
            guard prefix <= total else { return nil }
        }
        guard prefix + 12 <= total else { return nil }
        length = 4 * (Int(bytes[prefix + 1]) + 2)
        guard length >= 12, prefix + length <= total else { return nil }
    }

    // MARK: What the ICV covers

    /// The headers before AH as RFC 4302 §3.3.3.1 has them covered; nil where they make no sense,
    /// or where the packet is not yet what it will be at its end.
    var coveredHeaders: [UInt8]? {
        // The bound that the packet path has for them.
        guard prefix <= 2048 else { return nil }
        var covered = Array(bytes[..<prefix])
        if isV4 {
            // Appendix A and §3.3.3.1.1.1: type of service, flags, offset, time to live, checksum.
            for place in [1, 6, 7, 8, 10, 11] { covered[place] = 0 }
            return coverOptions(&covered) ? covered : nil
        }
        // §3.3.3.1.2.1: DSCP, ECN, flow label, hop limit.
        for place in [1, 2, 3, 7] { covered[place] = 0 }
        covered[0] = 0x60
        return coverExtensions(&covered) ? covered : nil
    }

    /// Appendix A1; each option's whole number, the bits of copy and class included.
    private static let immutableOptions: Set<UInt8> = [130, 133, 134, 148, 149]
    private static let sourceRoutes: Set<UInt8> = [131, 137]

    private func coverOptions(_ covered: inout [UInt8]) -> Bool {
        var rest = bytes[20..<prefix]
        while let kind = rest.first, kind != 0 {
            guard kind != 1 else {
                rest = rest.dropFirst()
                continue
            }
            guard rest.count >= 2 else { return false }
            let option = rest.prefix(Int(rest[rest.startIndex + 1]))
            guard option.count >= 2, option.count == Int(rest[rest.startIndex + 1]) else {
                return false
            }
            rest = rest.dropFirst(option.count)
            if AuthenticatedPacket.immutableOptions.contains(kind) { continue }
            if AuthenticatedPacket.sourceRoutes.contains(kind) {
                // Of one address at least. While the pointer has not passed the route, the last
                // address is where the packet goes in the end (RFC 791 §3.1).
                guard option.count >= 7 else { return false }
                if Int(option[option.startIndex + 2]) + 3 <= option.count {
                    covered.replaceSubrange(16..<20, with: option.suffix(4))
                }
            }
            for place in option.indices { covered[place] = 0 }
        }
        return true
    }

    private func coverExtensions(_ covered: inout [UInt8]) -> Bool {
        var kind = bytes[6]
        var start = 40
        while start < prefix {
            let end = start + 8 * (Int(bytes[start + 1]) + 1)
            if kind == 43 {
                // What routers have still to rearrange; at the end nothing is left (RFC 8200 §4.4).
                guard bytes[start + 3] == 0 else { return false }
            } else {
                var place = start + 2
                while place < end {
                    if bytes[place] == 0 {
                        place += 1
                        continue
                    }
                    guard place + 1 < end, place + 2 + Int(bytes[place + 1]) <= end else {
                        return false
                    }
                    let data = (place + 2)..<(place + 2 + Int(bytes[place + 1]))
                    // RFC 8200 §4.2: the third bit says that the data may change.
                    if bytes[place] & 0x20 != 0 { data.forEach { covered[$0] = 0 } }
                    place = data.upperBound
                }
            }
            kind = bytes[start]
            start = end
        }
        return true
    }
}
