internal import FuzzPacketPath
internal import IPsecPrimitives
internal import PacketProtection

/// The gateway with the SA of an input, beside the judge of it.
final class AuthenticationPath {
    private let gateway = FuzzGateway()
    private var authentication: FuzzAuthentication!
    private var judge: AuthenticationJudge!
    private var lastForged: UInt64 = 0

    func begin(_ authentication: FuzzAuthentication) {
        self.authentication = authentication
        judge = AuthenticationJudge(
            authentication.algorithm,
            isExtended: authentication.isExtended,
            highest: authentication.initialSequence
        )
        lastForged = authentication.initialSequence
        gateway.begin(authentication.commands)
    }

    // MARK: From the network

    func receiveForged(_ piece: [UInt8]) {
        let packet = ForgedPacket(piece, after: lastForged, judge)
        lastForged = packet.number
        _ = receive(packet.bytes)
    }

    /// Receives a packet by itself; what the inside gets of it.
    func receive(_ packet: [UInt8]) -> [UInt8]? {
        guard !packet.isEmpty else { return nil }
        let verdict = judge.judge(packet, spi: FuzzAuthentication.spi)
        if case .unsettled = verdict { return nil }
        let received = unsafe gateway.receive([packet]) { inbound, area, now in
            unsafe inbound.receiveAH(area.baseAddress!, byteCount: area.count, at: now)
        }
        let frame = received.frames.first?.packet
        precondition(received.frames.count <= 1)
        precondition(received.dropCount == (frame == nil ? 1 : 0))
        guard case .authentic(let authentic) = verdict else {
            precondition(frame == nil, "what is not authentic was taken")
            return nil
        }
        precondition(received.dropped(.authenticationFailed) == 0, "authentic, but refused")
        precondition(received.dropped(.malformedAH) == 0, "whole, but refused")
        precondition(received.dropped(.replayed) == 0, "new, but refused")
        var expected =
            authentication.isTransport
            ? ExpectedPacket.transport(authentic) : ExpectedPacket.tunnel(authentic)
        // The selectors of transport mode are of one IP version.
        if authentication.isTransport, authentic.isV4 != (authentication.outer == .v4) {
            expected = nil
        }
        precondition((frame == nil) == (expected == nil), "dropped, or not dropped")
        if let frame, let expected {
            precondition(ExpectedPacket.isEqual(frame, expected, authentic), "another packet")
        }
        return frame
    }

    // MARK: From the device

    /// Reads one frame; what leaves is judged, and opened by the other end.
    func read(_ frame: [UInt8]) {
        let exhausted = gateway.outboundDrops(.sequenceExhausted)
        var sent = 0
        var delivered: [[UInt8]] = []
        gateway.read([frame]) { batch in
            precondition(gateway.answers.count <= 1)
            for datagram in batch {
                sent += 1
                precondition(datagram.run.hasHeader, "AH covers the header")
                precondition(
                    !datagram.run.dontFragment || datagram.bytes.count <= authentication.linkMTU,
                    "longer than the link"
                )
                let before = judge.highest
                if let packet = receive(datagram.bytes) { delivered.append(packet) }
                // One whose headers make no sense has its number, and then does not leave.
                precondition(judge.highest > before, "not authentic, or out of order")
            }
        }
        guard gateway.outboundDrops(.sequenceExhausted) == exhausted else { return }
        let header = frame.prefix(10)
        guard frame.count > 10, header[0] & 1 == 0, header[1] & 0x7f == 0 else { return }
        let packet = Array(frame.dropFirst(10))
        guard let plain = PlainPacket(packet) else {
            return precondition(sent == 0, "what is no packet was sent")
        }
        judge(Array(packet.prefix(plain.total)), plain, delivered: delivered, sent: sent)
    }

    /// A packet that asks the device for nothing and fits the link leaves as it is.
    private func judge(_ packet: [UInt8], _ plain: PlainPacket, delivered: [[UInt8]], sent: Int) {
        let outer = authentication.isTransport ? 0 : authentication.outer == .v4 ? 20 : 40
        let fits = outer + authentication.headerLength + plain.total <= authentication.linkMTU
        guard fits else { return }
        guard authentication.isTransport else {
            return precondition(delivered == [packet], "not what was read")
        }
        guard !plain.isFragment else { return }
        guard plain.isV4 == (authentication.outer == .v4) else {
            return precondition(sent == 0, "of another IP version")
        }
        let isPlain = plain.header == (plain.isV4 ? 20 : 40)
        precondition(sent == 1 || !isPlain, "a plain packet was not sent")
        guard sent == 1 else { return }
        var expected = packet
        if plain.isV4 {
            if expected.number16(4) == 0 { expected.store16(1, 4) }
            storeHeaderChecksum(&expected, length: plain.header)
        }
        // 59 says at the other end that there is no packet.
        precondition(delivered == [expected] || delivered.isEmpty && plain.ipProtocol == 59)
    }
}
