internal import FuzzPacketPath
internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection

/// The gateway with the SA of an input.
final class ErrorPath {
    private let gateway = FuzzGateway()
    private var form: ErrorForm!
    private var association: FuzzSA!
    private var cipher: PacketCipher!
    private var number: UInt32 = 0

    func begin(_ form: ErrorForm) {
        self.form = form
        association = form.association
        cipher = association.cipher(.seal)
        number = 0
        gateway.begin([
            .replacePolicies([association.entry]), association.outbound, association.inbound,
        ])
    }

    // MARK: Errors

    /// Seals a packet as the peer, and receives it: from the network its source is remote to it.
    func receive(_ packet: [UInt8]) {
        guard let plain = PlainPacket(packet), !form.isTransport else { return }
        number += 1
        let block = FuzzSA.suite.blockLength
        let body = padded(packet, nextHeader: plain.isV4 ? 4 : 41, block: block)
        let received = gateway.receiveESP(
            sealed(body, spi: association.spi, number: number, cipher),
            association
        )
        let isDelivered = !received.frames.isEmpty
        let isRight = mayPass(Array(packet.prefix(plain.total)), plain)
        // First fragments of before may have made room for it.
        if form.isStateful, plain.isLaterFragment { return }
        precondition(isDelivered == isRight, isRight ? "refused" : "passed, of another SA")
    }

    /// Whether the SA covers a packet from its near end to its far end, or has to carry it as an
    /// error about what went from the far end to the near one.
    private func mayPass(_ packet: [UInt8], _ plain: PlainPacket) -> Bool {
        if form.naive.contains(where: { $0.covers(plain, isOutbound: true) }) { return true }
        guard let quoted = PlainError.quoted(by: packet, plain),
            quoted.source == plain.destination
        else { return false }
        return form.naive.contains { $0.covers(quoted, isOutbound: false) }
    }

    func read(_ packet: [UInt8]) {
        guard let plain = PlainPacket(packet) else { return }
        var sent = 0
        gateway.read([DeviceFrame.plain(packet)]) { batch in
            sent += batch.count
            guard !form.isTransport else { return }
            for datagram in batch {
                let received = gateway.receiveESP(datagram.bytes, association)
                precondition(
                    received.frames.count == 1 || plain.isFragment,
                    "the other end drops what was sealed"
                )
            }
        }
        let isRight = mayPass(Array(packet.prefix(plain.total)), plain)
        if sent > 0, !plain.isFragment { precondition(isRight, "sent, of another SA") }
        // Too long, a fragment, or from somebody else than the end of transport mode.
        let isDone = sent > 0 || plain.isFragment || form.isTransport || !gateway.answers.isEmpty
        precondition(isDone || !isRight || plain.total > 1280, "not sent")
    }

    // MARK: Sizes

    /// What is told to the sender of a packet that is too long is the size of one that passes.
    func setLink(_ octets: Int) {
        gateway.apply(.setLinkMTU(association.identifier, octets: octets))
        guard let told = tell() else { return }
        let least = form.isV4 ? 68 : 1280
        precondition(told >= least, "less than every network carries")
        let overhead = form.isTransport ? 0 : form.isV4 ? 20 : 40
        precondition(told <= max(octets - overhead, least + 60), "more than the link carries")
        gateway.wait(.seconds(1))
        gateway.read([DeviceFrame.plain(datagram(told))]) { batch in
            precondition(batch.count == 1 && gateway.answers.isEmpty, "too long after all")
            guard let sent = batch.first, sent.run.dontFragment else { return }
            let header = association.outer == .v4 ? 20 : 40
            precondition(header + sent.bytes.count <= max(octets, 200), "longer than the link")
        }
    }

    /// The size that the sender of a packet of the greatest length is told; nil where it passes.
    private func tell() -> Int? {
        var told: Int?
        gateway.wait(.seconds(1))
        gateway.read([DeviceFrame.plain(datagram(65_000))]) { batch in
            precondition(batch.isEmpty != gateway.answers.isEmpty, "neither sent nor answered")
            guard let answer = gateway.answers.first?.packet else { return }
            let message = Array(answer[(form.isV4 ? 20 : 40)...])
            told = form.isV4 ? message.number16(6) : Int(message.number32(4))
        }
        return told
    }

    /// A packet of UDP that must not be fragmented.
    private func datagram(_ count: Int) -> [UInt8] {
        var packet: [UInt8] =
            form.isV4
            ? [0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 17, 0, 0] + form.near + form.far
            : [0x60, 0, 0, 0, 0, 0, 17, 64] + form.near + form.far
        packet.store16(form.isV4 ? count : count - 40, form.isV4 ? 2 : 4)
        if form.isV4 { storeHeaderChecksum(&packet, length: 20) }
        packet += [0x10, 0, 0x10, 0]
        return packet + Array(repeating: 0, count: count - packet.count)
    }
}
