internal import IPsecPrimitives

/// Builds and judges IP packets byte by byte, with a checksum routine of its own.
enum TestPackets {
    /// RFC 1071 §4.1, the slow way.
    static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            let low = index + 1 < bytes.count ? bytes[index + 1] : 0
            sum += UInt32(bytes[index]) << 8 | UInt32(low)
            if sum > 0xffff { sum = sum - 0x10000 + 1 }
        }
        return ~UInt16(sum)
    }

    static func pseudoHeader(
        _ source: IPAddress,
        _ destination: IPAddress,
        _ ipProtocol: UInt8,
        _ length: Int
    ) -> [UInt8] {
        source.bytes + destination.bytes
            + [
                UInt8(length >> 24 & 255), UInt8(length >> 16 & 255), UInt8(length >> 8 & 255),
                UInt8(length & 255),
            ]
            + [0, 0, 0, ipProtocol]
    }

    static func bytes16(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }

    static func bytes32(_ value: UInt32) -> [UInt8] {
        bytes16(Int(value >> 16)) + bytes16(Int(value & 0xffff))
    }

    static func ip(
        from source: IPAddress,
        to destination: IPAddress,
        ipProtocol: UInt8,
        payload: [UInt8],
        trafficClass: UInt8 = 0,
        dontFragment: Bool = true,
        identification: Int = 1,
        ttl: UInt8 = 64,
        options: [UInt8] = []
    ) -> [UInt8] {
        guard source.version == .v4 else {
            var header: [UInt8] = [0x60 | trafficClass >> 4, trafficClass << 4, 0, 0]
            header += bytes16(payload.count) + [ipProtocol, ttl]
            return header + source.bytes + destination.bytes + payload
        }
        let words = 5 + options.count / 4
        var header: [UInt8] = [0x40 | UInt8(words), trafficClass]
        header += bytes16(words * 4 + payload.count) + bytes16(identification)
        header += [dontFragment ? 0x40 : 0, 0, ttl, ipProtocol, 0, 0]
        header += source.bytes + destination.bytes + options
        header.replaceSubrange(10..<12, with: bytes16(Int(checksum(header))))
        return header + payload
    }

    static func tcp(
        from source: Endpoint,
        to destination: Endpoint,
        sequence: UInt32 = 1000,
        acknowledgement: UInt32 = 77,
        flags: UInt8 = 0x10,
        window: Int = 512,
        options: [UInt8] = [],
        payload: [UInt8],
        trafficClass: UInt8 = 0,
        dontFragment: Bool = true,
        identification: Int = 1,
        isPartial: Bool = false
    ) -> [UInt8] {
        var segment = bytes16(Int(source.port)) + bytes16(Int(destination.port))
        segment += bytes32(sequence) + bytes32(acknowledgement)
        segment += [UInt8(5 + options.count / 4) << 4, flags] + bytes16(window) + [0, 0, 0, 0]
        segment += options + payload
        let pseudo = pseudoHeader(source.address, destination.address, 6, segment.count)
        let sum = isPartial ? ~checksum(pseudo) : checksum(pseudo + segment)
        segment.replaceSubrange(16..<18, with: bytes16(Int(sum)))
        return ip(
            from: source.address,
            to: destination.address,
            ipProtocol: 6,
            payload: segment,
            trafficClass: trafficClass,
            dontFragment: dontFragment,
            identification: identification
        )
    }

    static func udp(
        from source: Endpoint,
        to destination: Endpoint,
        payload: [UInt8],
        trafficClass: UInt8 = 0,
        dontFragment: Bool = true,
        isPartial: Bool = false,
        options: [UInt8] = []
    ) -> [UInt8] {
        var datagram = bytes16(Int(source.port)) + bytes16(Int(destination.port))
        datagram += bytes16(8 + payload.count) + [0, 0] + payload
        let pseudo = pseudoHeader(source.address, destination.address, 17, datagram.count)
        var sum = isPartial ? ~checksum(pseudo) : checksum(pseudo + datagram)
        if sum == 0, !isPartial { sum = 0xffff }
        datagram.replaceSubrange(6..<8, with: bytes16(Int(sum)))
        return ip(
            from: source.address,
            to: destination.address,
            ipProtocol: 17,
            payload: datagram,
            trafficClass: trafficClass,
            dontFragment: dontFragment,
            options: options
        )
    }

    /// An IPv4 packet with another identification.
    static func identified(_ packet: [UInt8], _ identification: Int) -> [UInt8] {
        var result = packet
        let header = Int(packet[0] & 15) * 4
        result.replaceSubrange(4..<6, with: bytes16(identification))
        result.replaceSubrange(10..<12, with: [0, 0])
        let sum = checksum(Array(result[..<header]))
        result.replaceSubrange(10..<12, with: bytes16(Int(sum)))
        return result
    }

    /// A packet in fragments with so many octets each.
    static func fragments(of packet: [UInt8], octets: Int) -> [[UInt8]] {
        let isV4 = packet[0] >> 4 == 4
        let header = isV4 ? Int(packet[0] & 15) * 4 : 40
        let payload = Array(packet[header...])
        return stride(from: 0, to: payload.count, by: octets).map { offset in
            let part = Array(payload[offset..<min(offset + octets, payload.count)])
            let isLast = offset + octets >= payload.count
            var result = Array(packet[..<header])
            if isV4 {
                result.replaceSubrange(2..<4, with: bytes16(header + part.count))
                result.replaceSubrange(6..<8, with: bytes16(offset / 8 | (isLast ? 0 : 0x2000)))
                return identified(result, 77) + part
            }
            result.replaceSubrange(4..<6, with: bytes16(8 + part.count))
            result[6] = 44
            return result + [packet[6], 0] + bytes16(offset | (isLast ? 0 : 1)) + bytes32(77) + part
        }
    }

    /// A virtio_net_hdr that asks for nothing, and the packet.
    static func plain(_ packet: [UInt8]) -> [UInt8] { Array(repeating: 0, count: 10) + packet }

    /// As the kernel writes it, in little-endian order.
    static func offload(
        _ packet: [UInt8],
        type: UInt8,
        segmentPayload: Int,
        headers: Int,
        checksumStart: Int,
        checksumOffset: Int
    ) -> [UInt8] {
        func little(_ value: Int) -> [UInt8] { [UInt8(value & 255), UInt8(value >> 8)] }
        return [1, type] + little(headers) + little(segmentPayload) + little(checksumStart)
            + little(checksumOffset) + packet
    }

    /// The superpacket that a kernel with TSO would write.
    static func tso(
        from source: Endpoint,
        to destination: Endpoint,
        sequence: UInt32 = 1000,
        flags: UInt8 = 0x18,
        payload: [UInt8],
        segmentPayload: Int,
        options: [UInt8] = [],
        dontFragment: Bool = true
    ) -> [UInt8] {
        let isV4 = source.address.version == .v4
        let packet = tcp(
            from: source,
            to: destination,
            sequence: sequence,
            flags: flags,
            options: options,
            payload: payload,
            dontFragment: dontFragment,
            isPartial: true
        )
        let network = isV4 ? 20 : 40
        return offload(
            packet,
            type: isV4 ? 1 : 4,
            segmentPayload: segmentPayload,
            headers: network + 20 + options.count,
            checksumStart: network,
            checksumOffset: 16
        )
    }
}

/// A packet taken apart by code that shares nothing with the module's.
struct ReadPacket: Equatable {
    var isV4: Bool
    var headerLength: Int
    var totalLength: Int
    var source: IPAddress
    var destination: IPAddress
    var ipProtocol: UInt8
    var trafficClass: UInt8
    var identification: Int
    var fragmentField: Int
    var ttl: UInt8
    var bytes: [UInt8]

    init?(_ bytes: [UInt8]) {
        guard let first = bytes.first else { return nil }
        func number(_ offset: Int) -> Int { Int(bytes[offset]) << 8 | Int(bytes[offset + 1]) }
        isV4 = first >> 4 == 4
        if isV4 {
            guard bytes.count >= 20, let source = IPAddress(bytes: bytes[12..<16]),
                let destination = IPAddress(bytes: bytes[16..<20])
            else { return nil }
            headerLength = Int(first & 15) * 4
            totalLength = number(2)
            (self.source, self.destination) = (source, destination)
            ipProtocol = bytes[9]
            trafficClass = bytes[1]
            identification = number(4)
            fragmentField = number(6)
            ttl = bytes[8]
        } else {
            guard bytes.count >= 40, let source = IPAddress(bytes: bytes[8..<24]),
                let destination = IPAddress(bytes: bytes[24..<40])
            else { return nil }
            headerLength = 40
            totalLength = 40 + number(4)
            (self.source, self.destination) = (source, destination)
            ipProtocol = bytes[6]
            trafficClass = bytes[0] << 4 | bytes[1] >> 4
            identification = 0
            fragmentField = 0
            ttl = bytes[7]
        }
        guard totalLength == bytes.count, headerLength <= totalLength else { return nil }
        self.bytes = bytes
    }

    var payload: [UInt8] { Array(bytes[headerLength...]) }

    var hasValidHeader: Bool { !isV4 || TestPackets.checksum(Array(bytes[..<headerLength])) == 0 }

    /// Whether the checksum of TCP, UDP or ICMP is right.
    var hasValidChecksum: Bool {
        let pseudo =
            ipProtocol == 1
            ? []
            : TestPackets.pseudoHeader(source, destination, ipProtocol, payload.count)
        return TestPackets.checksum(pseudo + payload) == 0
    }

    var tcpHeaderLength: Int { Int(payload[12] >> 4) * 4 }
    var tcpPayload: [UInt8] { Array(payload[tcpHeaderLength...]) }
    var tcpFlags: UInt8 { payload[13] }
    var tcpSequence: UInt32 { payload[4..<8].reduce(0) { $0 << 8 | UInt32($1) } }
}
