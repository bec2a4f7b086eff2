internal import FuzzPacketPath
internal import IPsecPrimitives
@testable internal import PacketProtection

/// One packet in memory that ends where it does, read by both.
@safe struct HeaderJudge: ~Copyable {
    private let memory: UnsafeMutableRawBufferPointer
    private let octets: [UInt8]
    private let packet: InnerPacket?

    private var bytes: UnsafeMutableRawPointer { unsafe memory.baseAddress! }

    init(_ octets: [UInt8], _ plain: PlainPacket?) {
        self.octets = octets
        unsafe memory = .allocate(byteCount: octets.count, alignment: 1)
        unsafe memory.copyBytes(from: octets)
        packet = unsafe InnerPacket(memory.baseAddress!, available: octets.count)
        precondition((packet == nil) == (plain == nil), "one reads it, the other does not")
        guard let packet, let plain else { return }
        precondition(packet.isV4 == plain.isV4 && packet.ipProtocol == plain.ipProtocol)
        precondition(packet.totalLength == plain.total && packet.headerLength == plain.header)
        precondition(packet.trafficClass == plain.trafficClass)
        precondition(packet.isFragment == plain.isFragment, "fragment, or not")
        precondition(packet.isLaterFragment == plain.isLaterFragment, "first fragment, or not")
        precondition(packet.hasPorts == (plain.ports != nil), "ports, or none")
        precondition(packet.tuple.source.bytes == plain.source)
        precondition(packet.tuple.destination.bytes == plain.destination)
        if let ports = plain.ports {
            precondition([packet.sourcePort, packet.destinationPort].map(Int.init) == ports)
        }
    }

    deinit { unsafe memory.deallocate() }

    // MARK: Reading

    /// Fragment facts, and what of the packet stays in front in transport mode.
    func read() {
        guard let packet, let plain = PlainPacket(octets) else { return }
        let part = unsafe FragmentPart(bytes, packet)
        let expected = PlainFragment(octets, plain)
        precondition((part == nil) == (expected == nil), "a fragment, or none")
        if let part, let expected {
            precondition(part.header == expected.header && part.start == expected.start)
            precondition(part.offset == expected.offset && part.hasMore == expected.hasMore)
            precondition(part.identification == expected.identification)
            precondition(part.nextOffset == expected.nextPlace && part.next == expected.next)
            return
        }
        let kept = unsafe TransportHeader(bytes, packet)
        let end = HeaderJudge.keptHeaders(octets, plain)
        precondition(kept.length == end.length && kept.nextOffset == end.nextPlace)
        precondition(kept.next == octets[end.nextPlace])
    }

    /// RFC 4303 §3.1.1, RFC 8200 §4.1: up to the last hop-by-hop or routing header, destination
    /// options before it included.
    private static func keptHeaders(
        _ octets: [UInt8],
        _ plain: PlainPacket
    ) -> (length: Int, nextPlace: Int) {
        guard !plain.isV4 else { return (plain.header, 9) }
        var headers: [(kind: UInt8, start: Int)] = []
        var kind = octets[6]
        var start = 40
        while [0, 43, 60].contains(kind) {
            headers.append((kind, start))
            kind = octets[start]
            start += 8 * Int(octets[start + 1]) + 8
        }
        guard let last = headers.last(where: { $0.kind != 60 }) else { return (40, 6) }
        return (last.start + 8 * Int(octets[last.start + 1]) + 8, last.start)
    }

    // MARK: Policy

    /// Selectors of every kind, so that each has packets that it covers and that it does not.
    private static let selectors: [SelectorPair] = {
        let everything = TrafficSelector.everything(.v6)
        let net = IPPrefix("10.1.0.0/16")!
        let other = IPPrefix("10.2.0.0/16")!
        let types = PortRange.icmp(type: 8, code: 0)
        let few = PortRange(1000, through: 2000)!
        return [
            SelectorPair(local: TrafficSelector(prefix: net), remote: .everything(.v4)),
            SelectorPair(
                local: TrafficSelector(prefix: net, ipProtocol: 17, ports: few)!,
                remote: TrafficSelector(prefix: other, ipProtocol: 17)!
            ),
            SelectorPair(
                local: TrafficSelector(prefix: net, ipProtocol: 6, ports: .opaque)!,
                remote: TrafficSelector(prefix: other, ipProtocol: 6, ports: .opaque)!
            ),
            SelectorPair(
                local: TrafficSelector(prefix: net, ipProtocol: 1, ports: types)!,
                remote: TrafficSelector(prefix: other, ipProtocol: 1, ports: .opaque)!
            ),
            SelectorPair(local: everything, remote: everything),
            SelectorPair(
                local: TrafficSelector(
                    first: everything.first,
                    last: everything.last,
                    ipProtocol: 51
                )!,
                remote: everything
            ),
            SelectorPair(
                local: TrafficSelector(
                    first: everything.first,
                    last: everything.last,
                    ipProtocol: 58,
                    ports: .opaque
                )!,
                remote: TrafficSelector(
                    first: everything.first,
                    last: everything.last,
                    ipProtocol: 58,
                    ports: PortRange(0x8000, through: 0x80ff)!
                )!
            ),
        ]
    }()

    private static let flat = selectors.map { FlatSelector($0) }

    func compareSelectors(_ plain: PlainPacket) {
        guard let packet else { return }
        for (pair, flat) in zip(HeaderJudge.selectors, HeaderJudge.flat) {
            let naive = PlainSelector(pair)
            precondition(
                flat.matches(PolicyQuery(outbound: packet)) == naive.covers(plain, isOutbound: true)
            )
            precondition(
                flat.matches(PolicyQuery(inbound: packet)) == naive.covers(plain, isOutbound: false)
            )
        }
    }

    // MARK: Writing

    /// RFC 1122 §3.2.2, RFC 4443 §2.4: whom an error goes to, and what it quotes.
    func writeTooBig(_ plain: PlainPacket) {
        guard let packet, unsafe TooBigMessage.isAnswered(bytes, packet) else { return }
        precondition(!plain.isLaterFragment, "an error about a later fragment")
        precondition(plain.source.contains { $0 != 0 }, "an error to nobody")
        precondition(plain.source[0] < (plain.isV4 ? 224 : 255), "an error to a group")
        if plain.ipProtocol == (plain.isV4 ? 1 : 58) {
            guard let type = plain.ports.map({ $0[0] >> 8 }) else {
                preconditionFailure("an error about who knows what")
            }
            precondition(plain.isV4 ? ![3, 4, 5, 11, 12].contains(type) : type >= 128)
        }
        let room = UnsafeMutableRawBufferPointer.allocate(
            byteCount: TooBigMessage.maximumOctets,
            alignment: 1
        )
        defer { unsafe room.deallocate() }
        let length = unsafe TooBigMessage.write(
            to: room.baseAddress!,
            about: bytes,
            packet,
            source: packet.destination,
            mtu: 1400
        )
        judge(unsafe Array(room.prefix(length)), plain)
    }

    private func judge(_ message: [UInt8], _ plain: PlainPacket) {
        guard let read = PlainPacket(message), read.total == message.count else {
            preconditionFailure("the error is no packet")
        }
        precondition(read.source == plain.destination && read.destination == plain.source)
        precondition(read.ports?[0] == (plain.isV4 ? 0x0304 : 0x0200))
        let body = Array(message[read.header...])
        precondition(body.number32(4) == 1400)
        let quoted = min(plain.total, (plain.isV4 ? 576 : 1280) - read.header - 8)
        precondition(Array(body.dropFirst(8)) == Array(octets.prefix(quoted)), "quotes another")
        if plain.isV4 {
            precondition(internetChecksum(message[..<20]) == 0 && internetChecksum(body) == 0)
        } else {
            var pseudo = read.source + read.destination + [0, 0, 0, 0, 0, 0, 0, 58]
            pseudo.store16(body.count, 34)
            precondition(internetChecksum(pseudo + body) == 0)
        }
    }

    /// RFC 791 §3.1: of a later fragment's options those alone that are to be copied.
    func copyOptions(_ plain: PlainPacket) {
        guard plain.isV4 else { return }
        var expected = Array(octets[..<20])
        var rest = octets[20..<plain.header]
        while let kind = rest.first, kind != 0 {
            let isShort = kind == 1
            guard isShort || rest.count >= 2 else { break }
            let size = isShort ? 1 : Int(rest[rest.startIndex + 1])
            guard size >= (isShort ? 1 : 2), size <= rest.count else { break }
            if kind >= 128 { expected += rest.prefix(size) }
            rest = rest.dropFirst(size)
        }
        while expected.count % 4 != 0 { expected.append(0) }
        let length = unsafe CopiedOptions.headerLength(bytes, plain.header)
        precondition(length == expected.count)
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 1)
        defer { unsafe room.deallocate() }
        unsafe CopiedOptions.copyHeader(bytes, plain.header, to: room.baseAddress!)
        precondition(unsafe Array(room) == expected)
    }

    /// A SYN announces no more than `limit`, and its checksum is as right or wrong as before.
    func clampSegments(_ plain: PlainPacket, limit: Int) {
        guard let packet else { return }
        unsafe SegmentSizeClamp.apply(
            bytes,
            packet,
            limit: UInt16(limit),
            isChecksumPartial: false
        )
        var expected = octets
        let place = HeaderJudge.segmentSize(octets, plain)
        if let place, octets.number16(place) > limit {
            expected.store16(limit, place)
            let checksum = (plain.header + 16)..<(plain.header + 18)
            let after = unsafe Array(memory)
            expected.replaceSubrange(checksum, with: after[checksum])
            precondition(
                internetChecksum(octets[plain.header..<plain.total]) % 0xffff
                    == internetChecksum(after[plain.header..<plain.total]) % 0xffff
            )
        }
        precondition(unsafe Array(memory) == expected)
    }

    /// Where a TCP SYN that is no fragment says what segments it takes (RFC 9293 §3.7.1).
    private static func segmentSize(_ octets: [UInt8], _ plain: PlainPacket) -> Int? {
        guard plain.ipProtocol == 6, !plain.isFragment, plain.total >= plain.header + 20,
            octets[plain.header + 13] & 2 != 0
        else { return nil }
        let length = Int(octets[plain.header + 12] >> 4) * 4
        guard length >= 20, plain.header + length <= plain.total else { return nil }
        var rest = octets[(plain.header + 20)..<(plain.header + length)]
        while let kind = rest.first, kind != 0 {
            guard kind != 1 else {
                rest = rest.dropFirst()
                continue
            }
            guard rest.count >= 2 else { return nil }
            let size = Int(rest[rest.startIndex + 1])
            guard size >= 2, size <= rest.count else { return nil }
            if kind == 2, size == 4 { return rest.startIndex + 2 }
            rest = rest.dropFirst(size)
        }
        return nil
    }
}
