internal import FuzzPacketPath
internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection

/// The gateway with an SA that compresses.
final class CompressionPath {
    private let gateway = FuzzGateway()
    private var association: FuzzSA!
    private var cipher: PacketCipher!
    private var number: UInt32 = 0

    private static let index = 0x1234
    private static let protocolCompressed: UInt8 = 108
    /// RFC 791 §3.1.
    private static let largestPacket = 65_535

    func begin(isTransport: Bool) {
        let versions: [IPVersion] = isTransport ? [.v4] : [.v4, .v6]
        let everything = versions.map { TrafficSelector.everything($0) }
        association = FuzzSA(SelectorPair.pairs(local: everything, remote: everything))
        association.compressionIndex = UInt16(CompressionPath.index)
        if isTransport { association.carriage = .espTransport }
        cipher = association.cipher(.seal)
        number = 0
        gateway.begin([
            .replacePolicies([association.entry]), association.outbound, association.inbound,
        ])
    }

    // MARK: From the network

    /// What the peer makes of a piece: its first octet says how, the rest is compressed.
    func receive(streamOf piece: [UInt8]) {
        let wishes = piece.first ?? 0
        var content = Array(piece.dropFirst())
        // As long as a packet may be, or much longer.
        let times = [1, 2, 100, 3000][Int(wishes >> 4 & 3)]
        content = repeated(content, times)
        if wishes & 0x40 != 0, content.count >= 20, content.count <= CompressionPath.largestPacket {
            content[0] = 0x45
            content.store16(content.count, 2)
        }
        let next: UInt8 = wishes & 0x80 != 0 ? 41 : 4
        let stream = PlainDeflate.deflated(content, level: Int32(wishes & 15) % 10)
        receive(payload: [next, 0, 0x12, 0x34] + stream)
    }

    private func repeated(_ octets: [UInt8], _ times: Int) -> [UInt8] {
        var result: [UInt8] = []
        for _ in 0..<times where result.count < 3 * CompressionPath.largestPacket {
            result += octets
        }
        return result
    }

    /// Receives what stands behind ESP, and compares.
    func receive(payload: [UInt8]) {
        guard payload.count <= 60_000 else { return }
        number += 1
        let body = padded(
            payload,
            nextHeader: CompressionPath.protocolCompressed,
            block: FuzzSA.suite.blockLength
        )
        let received = gateway.receiveESP(
            sealed(body, spi: association.spi, number: number, cipher),
            association
        )
        precondition(received.frames.count + received.dropCount == 1)
        let expected = expected(payload)
        precondition((expected == nil) == received.frames.isEmpty, "taken, or not")
        if let expected { precondition(received.frames[0].packet == expected, "another packet") }
    }

    private func expected(_ payload: [UInt8]) -> [UInt8]? {
        let header = association.carriage.isTransport ? 20 : 0
        let most = CompressionPath.largestPacket - header
        // RFC 3173 §3.3: one packet within another would have no end.
        guard payload.count > 4, payload.number16(2) == CompressionPath.index,
            payload[0] != CompressionPath.protocolCompressed,
            let content = PlainDeflate.inflated(Array(payload.dropFirst(4)), most: most),
            !content.isEmpty, content.count <= most, payload[0] != 59
        else { return nil }
        guard association.carriage.isTransport else {
            guard payload[0] == 4 || payload[0] == 41, let plain = PlainPacket(content),
                plain.isV4 == (payload[0] == 4)
            else { return nil }
            return Array(content.prefix(plain.total))
        }
        var packet: [UInt8] = [0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, payload[0], 0, 0]
        packet += association.near.bytes + association.far.bytes
        packet.store16(20 + content.count, 2)
        storeHeaderChecksum(&packet, length: 20)
        return packet + content
    }

    // MARK: From the device

    /// Reads a packet whose payload is that of the piece, so many times over.
    func read(_ piece: [UInt8], times: Int) {
        var packet = Array(piece.prefix(20))
        packet += repeated(Array(piece.dropFirst(20)), times)
        guard packet.count >= 20, packet.count <= 1400 else { return }
        if times > 1 {
            packet[0] = 0x45
            packet.store16(packet.count, 2)
            packet.store16(packet.number16(6) & 0x4000, 6)
        }
        let plain = PlainPacket(packet)
        var delivered: [[UInt8]] = []
        gateway.read([DeviceFrame.plain(packet)]) { batch in
            for sent in batch {
                // As long as it would be without compression, at most.
                let overhead = 8 + 8 + 2 + 3 + 16
                precondition(sent.bytes.count <= packet.count + overhead, "longer than it was")
                let received = gateway.receiveESP(sent.bytes, association)
                delivered += received.frames.map(\.packet)
            }
        }
        guard let plain else { return precondition(delivered.isEmpty) }
        guard !association.carriage.isTransport else { return }
        precondition(delivered == [Array(packet.prefix(plain.total))], "not what was read")
    }
}
