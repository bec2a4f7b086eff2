internal import FuzzPacketPath
internal import IPsecCrypto
internal import PacketProtection

/// The gateway with the SAs of an input, and the hosts behind it.
final class FragmentPath {
    private let gateway = FuzzGateway()
    private var form: FragmentForm!
    private var ciphers: [PacketCipher] = []
    private var number: UInt32 = 0
    private var hosts: [Host] = []
    private var orders: [Int: Order] = [:]
    /// Where the first fragment ends that was delivered of a packet.
    private var firstEnds: [Int: Int] = [:]
    private var assembly = OrderedAssembly()
    /// Whether what was read last was dropped because it is longer than the tunnel takes.
    private var isTooLong = false

    /// Whether the fragments of a packet came one behind the other so far.
    private struct Order {
        var end = 0
        var isClean = true
    }

    func begin(_ form: FragmentForm) {
        self.form = form
        let associations = form.associations
        gateway.begin(
            [.replacePolicies(associations.map(\.entry))] + associations.map(\.outbound)
                + associations.map(\.inbound)
        )
        ciphers = associations.map { $0.cipher(.seal) }
        number = 0
        hosts = [Host(.olderCounts), Host(.newerCounts)]
        orders = [:]
        firstEnds = [:]
        assembly = OrderedAssembly()
    }

    func take(_ piece: FragmentPiece) {
        // RFC 4963 §2: identifications come again soon, so that nothing is remembered for long.
        gateway.wait(piece.comesLate ? .seconds(3) : .milliseconds(1))
        if piece.comesLate {
            orders = [:]
            firstEnds = [:]
            assembly = OrderedAssembly()
        }
        let isClean = note(piece)
        let delivered = form.isForged && form.way != .transport ? forge(piece) : send(piece)
        guard form.way != .transport else { return judgeTransport(piece, delivered) }
        if form.way == .stateful, !delivered.isEmpty { judgeFirst(piece) }
        for packet in delivered {
            for index in hosts.indices {
                guard let whole = hosts[index].take(packet) else { continue }
                // Without a whole UDP header it is nobody's.
                guard let plain = PlainPacket(whole), plain.ports != nil else { continue }
                precondition(
                    form.agreed.covers(plain, isOutbound: true),
                    "a packet that the selectors do not cover has passed in fragments"
                )
            }
        }
        let isAllowed = form.way == .everyPort || piece.packet % 2 == 0
        guard isClean, isAllowed else { return }
        guard PlainPacket(piece.bytes) != nil else { return orders[piece.packet]!.isClean = false }
        judgeClean(piece, delivered)
    }

    /// RFC 4301 §7.3, RFC 5722 §3: no fragment is delivered but behind the first, and none over it.
    private func judgeFirst(_ piece: FragmentPiece) {
        guard piece.offset > 0 else {
            // Of IPv6 there are packets of one fragment (RFC 6946).
            if piece.hasMore || !form.isV4 && !piece.isWhole { firstEnds[piece.packet] = piece.end }
            return
        }
        guard let end = firstEnds[piece.packet] else {
            preconditionFailure("a later fragment without a first")
        }
        precondition(piece.offset >= end, "a fragment over the first")
    }

    /// Of a packet whose fragments came in order, each is delivered, unless its ports are not in the
    /// first, or the SA is the wrong one.
    private func judgeClean(_ piece: FragmentPiece, _ delivered: [[UInt8]]) {
        // Later fragments do not show the protocol behind options; who remembers the first knows it.
        if piece.hasOptions, form.way != .stateful { return orders[piece.packet]!.isClean = false }
        if form.way != .everyPort {
            let hidesPorts = piece.offset == 0 && PlainPacket(piece.bytes)?.ports == nil
            if hidesPorts { return orders[piece.packet]!.isClean = false }
        }
        if form.way == .apart, piece.offset > 0, piece.offset < 128 { return }
        guard form.isForged else {
            // Too long to pass, and not to be cut; of a later fragment nobody is told (RFC 4443 §2.4).
            if delivered.isEmpty, isTooLong {
                return orders[piece.packet]!.isClean = false
            }
            return precondition(join(delivered) == piece.bytes, "not what was read")
        }
        guard sender(piece) == (form.way == .apart && piece.offset > 0 ? 1 : 0) else {
            return orders[piece.packet]!.isClean = piece.offset > 0
        }
        precondition(delivered == [piece.bytes], "in order, and dropped")
    }

    private func note(_ piece: FragmentPiece) -> Bool {
        let isFragment = !piece.isWhole && (piece.hasMore || piece.offset > 0)
        guard isFragment, !piece.isAnother, !piece.isMislabelled, piece.end - piece.offset >= 8
        else {
            // Another packet with the same identification.
            orders[piece.packet] = Order(end: 0, isClean: false)
            return false
        }
        if piece.offset == 0 { orders[piece.packet] = Order() }
        guard let order = orders[piece.packet], order.isClean, order.end == piece.offset else {
            orders[piece.packet] = Order(end: 0, isClean: false)
            return false
        }
        orders[piece.packet]!.end = piece.end
        return true
    }

    private func sender(_ piece: FragmentPiece) -> Int { piece.sender % ciphers.count }

    /// Seals a fragment as the peer, by whichever SA it likes, and receives it.
    private func forge(_ piece: FragmentPiece) -> [[UInt8]] {
        let index = sender(piece)
        let association = form.associations[index]
        number += 1
        let packet = sealed(
            padded(piece.bytes, nextHeader: form.isV4 ? 4 : 41, block: FuzzSA.suite.blockLength),
            spi: association.spi,
            number: number,
            ciphers[index]
        )
        return gateway.receiveESP(packet, association).frames.map(\.packet)
    }

    /// Reads a fragment from the device, and opens what leaves.
    private func send(_ piece: FragmentPiece) -> [[UInt8]] {
        var result: [[UInt8]] = []
        let before = gateway.outboundDrops(.tooBig)
        defer { isTooLong = gateway.outboundDrops(.tooBig) > before }
        gateway.read([DeviceFrame.plain(piece.bytes)]) { batch in
            for sent in batch {
                let association = form.associations[0]
                let received = gateway.receiveESP(sent.bytes, association)
                let isRefused = received.frames.isEmpty && mayRefuse(received)
                precondition(
                    received.frames.count == 1 || isRefused,
                    "the other end drops what was sealed"
                )
                result += received.frames.map(\.packet)
            }
        }
        return result
    }

    /// What the other end knows too little of: near the beginning, or behind a first fragment that
    /// was too long to leave. What has no ports at all must not have been sent (RFC 4301 §7.3).
    private func mayRefuse(_ received: FuzzGateway.Received) -> Bool {
        switch form.way {
        case .everyPort, .transport: false
        case .apart: received.dropped(.fragmentOverlap) == 1
        case .stateful:
            received.dropped(.fragmentBeforeFirst) + received.dropped(.selectorMismatch)
                + received.dropped(.fragmentOverlap) == 1
        }
    }

    /// What a fragment that was cut once more is together (RFC 791 §3.2).
    private func join(_ parts: [[UInt8]]) -> [UInt8]? {
        guard parts.count > 1, form.isV4 else { return parts.first }
        var whole = parts[0]
        for part in parts.dropFirst() {
            guard part.number16(6) & 0x1fff == whole.number16(6) & 0x1fff + (whole.count - 20) / 8
            else { return nil }
            whole += part[20...]
        }
        whole.store16(whole.count, 2)
        whole.store16(whole.number16(6) & 0xdfff | parts.last!.number16(6) & 0x2000, 6)
        storeHeaderChecksum(&whole, length: 20)
        return whole
    }

    // MARK: Transport mode

    private func judgeTransport(_ piece: FragmentPiece, _ delivered: [[UInt8]]) {
        guard let plain = PlainPacket(piece.bytes) else {
            return precondition(delivered.isEmpty, "what is no packet was sent")
        }
        guard let part = PlainFragment(piece.bytes, plain) else { return }
        let whole = assembly.take(piece.bytes, plain, part)
        precondition(delivered.count <= 1)
        guard let packet = delivered.first else {
            // What was put together may be no packet, or none of UDP.
            let read = whole.flatMap { PlainPacket($0) }
            let isCovered = read.map { form.agreed.covers($0, isOutbound: true) } ?? false
            return precondition(!isCovered, "whole, and not sent")
        }
        guard let whole else { preconditionFailure("sent, and not whole") }
        let header = form.isV4 ? 20 : 40
        precondition(packet.dropFirst(header) == whole.dropFirst(header), "another packet")
        precondition(packet[form.isV4 ? 9 : 6] == whole[form.isV4 ? 9 : 6])
    }
}
