/// What the TUN device hands over in one batch.
struct BenchmarkTraffic {
    var name: String
    /// A virtio_net_hdr and a packet.
    var frame: [UInt8]
    /// How often the frame is read in a batch.
    var reads: Int
    var packetsPerRead: Int
    /// Octets of each inner packet.
    var payloadOctets: Int

    var packetsPerBatch: Int { reads * packetsPerRead }

    static let all: [BenchmarkTraffic] = [
        superpacket(octets: 1420, count: 45), single(octets: 1420), single(octets: 64),
    ]

    private static func big(_ value: Int) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }

    private static func little(_ value: Int) -> [UInt8] { big(value).reversed() }

    /// RFC 1071.
    private static func sum(_ bytes: [UInt8]) -> Int {
        var sum = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += Int(bytes[index]) << 8 | (index + 1 < bytes.count ? Int(bytes[index + 1]) : 0)
        }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        return sum
    }

    private static let addresses: [UInt8] = [10, 1, 0, 5, 10, 2, 0, 9]

    private static func packet(protocol number: UInt8, _ payload: [UInt8]) -> [UInt8] {
        var header: [UInt8] = [0x45, 0] + big(20 + payload.count)
        header += [0, 1, 0x40, 0, 64, number, 0, 0] + addresses
        header.replaceSubrange(10..<12, with: big(0xffff - sum(header)))
        return header + payload
    }

    /// TCP as a kernel with TSO hands it over.
    private static func superpacket(octets: Int, count: Int) -> BenchmarkTraffic {
        let payload = (octets - 40) * count
        var segment: [UInt8] = big(40_000) + big(5001) + [0, 0, 3, 232, 0, 0, 0, 7]
        segment += [0x50, 0x10] + big(512) + [0, 0, 0, 0]
        segment += (0..<payload).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let pseudo = addresses + [0, 6] + big(segment.count)
        segment.replaceSubrange(16..<18, with: big(sum(pseudo)))
        let header: [UInt8] = [1, 1] + little(40) + little(octets - 40) + little(20) + little(16)
        return BenchmarkTraffic(
            name: "superpacket",
            frame: header + packet(protocol: 6, segment),
            reads: 1,
            packetsPerRead: count,
            payloadOctets: octets
        )
    }

    /// UDP as an application sends it; the checksum is absent, as RFC 768 allows.
    static func single(octets: Int) -> BenchmarkTraffic {
        var datagram: [UInt8] = big(40_000) + big(5001) + big(octets - 20) + [0, 0]
        datagram += (0..<(octets - 28)).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        return BenchmarkTraffic(
            name: "single",
            frame: Array(repeating: 0, count: 10) + packet(protocol: 17, datagram),
            reads: 45,
            packetsPerRead: 1,
            payloadOctets: octets
        )
    }
}
