/// An IP packet read a second time, as naively as can be (RFC 791 §3.1, RFC 8200 §4): what the
/// packet path says of a packet is held against it.
package struct PlainPacket {
    package var isV4: Bool
    package var source: [UInt8]
    package var destination: [UInt8]
    package var trafficClass: UInt8
    /// Behind every extension header.
    package var ipProtocol: UInt8
    /// Octets before the upper layer.
    package var header: Int
    package var total: Int
    package var isFragment = false
    package var isLaterFragment = false
    /// Source and destination port, or type and code twice; nil where they are not to be seen.
    package var ports: [Int]?

    /// RFC 4301 §4.4.1.1: hop-by-hop and destination options, routing, fragment, "does NOT include 51
    /// (AH)"; and HIP and shim6, which came later.
    private static let extensions: Set<UInt8> = [0, 43, 44, 60, 139, 140]
    /// RFC 8200 §4.1 has six kinds, one of which comes twice; nobody sends more than eight.
    private static let mostExtensions = 8

    /// Nil for what is no whole packet.
    package init?(_ bytes: [UInt8]) {
        guard let first = bytes.first, first >> 4 == 4 || first >> 4 == 6 else { return nil }
        isV4 = first >> 4 == 4
        guard bytes.count >= (isV4 ? 20 : 40) else { return nil }
        if isV4 {
            source = Array(bytes[12..<16])
            destination = Array(bytes[16..<20])
            trafficClass = bytes[1]
            ipProtocol = bytes[9]
            header = Int(first & 15) * 4
            total = bytes.number16(2)
            let field = bytes.number16(6)
            isFragment = field & 0x2000 != 0 || field & 0x1fff != 0
            isLaterFragment = field & 0x1fff != 0
            guard header >= 20 else { return nil }
        } else {
            source = Array(bytes[8..<24])
            destination = Array(bytes[24..<40])
            trafficClass = UInt8(bytes.number16(0) >> 4 & 255)
            ipProtocol = bytes[6]
            header = 40
            total = 40 + bytes.number16(4)
        }
        guard header <= total, total <= bytes.count else { return nil }
        let whole = Array(bytes[..<total])
        if !isV4 { guard walk(whole) else { return nil } }
        ports = isLaterFragment ? nil : PlainPacket.ports(ipProtocol, Array(whole[header...]))
        // RFC 8200 §4.5: a first fragment has all headers "through an Upper-Layer header".
        let isFirst = !isV4 && isFragment && !isLaterFragment
        let withPorts: Set<UInt8> = [1, 6, 17, 33, 58, 132, 135, 136]
        if isFirst, ports == nil, withPorts.contains(ipProtocol) { return nil }
    }

    /// RFC 8200 §4: from header to header; false where one does not fit.
    private mutating func walk(_ bytes: [UInt8]) -> Bool {
        var seen = 0
        while PlainPacket.extensions.contains(ipProtocol), !isLaterFragment {
            seen += 1
            guard seen <= PlainPacket.mostExtensions, header + 8 <= bytes.count else {
                return false
            }
            let units = Int(bytes[header + 1])
            var length = 8 * units + 8
            if ipProtocol == 44 {
                length = 8
                isFragment = true
                isLaterFragment = bytes.number16(header + 2) >> 3 != 0
            }
            ipProtocol = bytes[header]
            header += length
            guard header <= bytes.count else { return false }
        }
        return true
    }

    /// RFC 4301 §4.4.1.1.
    package static func ports(_ ipProtocol: UInt8, _ upper: [UInt8]) -> [Int]? {
        switch ipProtocol {
        // TCP, UDP, DCCP, SCTP, UDP-Lite.
        case 6, 17, 33, 132, 136:
            upper.count >= 4 ? [upper.number16(0), upper.number16(2)] : nil
        // ICMP has one type and one code for both sides.
        case 1, 58: upper.count >= 2 ? [upper.number16(0), upper.number16(0)] : nil
        // A Mobility Header has a type in its third octet (RFC 6275 §6.1.1).
        case 135:
            upper.count >= 4 ? [Int(upper[2]) << 8, Int(upper[2]) << 8] : nil
        default: nil
        }
    }
}
