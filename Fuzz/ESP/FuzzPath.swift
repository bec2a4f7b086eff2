internal import FuzzPacketPath
internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection

/// The gateway with the tunnel of an input, and what must hold of everything that passes it.
final class FuzzPath {
    private let gateway = FuzzGateway(coalescesTCP: true)
    private var tunnel: FuzzTunnel?

    /// Installs the tunnel; every packet from now on is its first.
    func begin(_ tunnel: FuzzTunnel) {
        self.tunnel = tunnel
        gateway.begin([tunnel.policies, tunnel.outbound, tunnel.inbound])
    }

    // MARK: From the network

    func receiveDatagrams(_ bytes: [UInt8], segmentSize: Int) {
        let size = segmentSize > 0 ? segmentSize : max(bytes.count, 1)
        // One of no octets is one too.
        let count = max((bytes.count + size - 1) / size, 1)
        _ = unsafe receive([bytes], packets: count) { inbound, area, now in
            unsafe inbound.receiveUDP(
                area.baseAddress!,
                byteCount: area.count,
                segmentSize: segmentSize,
                from: Endpoint(address: FuzzTunnel.far, port: 4500),
                to: Endpoint(address: FuzzTunnel.near, port: 4500),
                trafficClass: bytes.first ?? 0,
                at: now
            )
        }
    }

    @discardableResult
    func receivePackets(_ packets: [[UInt8]]) -> FuzzGateway.Received {
        unsafe receive(packets, packets: packets.count) { inbound, area, now in
            unsafe inbound.receiveESP(
                area.baseAddress!,
                byteCount: area.count,
                from: FuzzTunnel.far,
                to: FuzzTunnel.near,
                trafficClass: UInt8(truncatingIfNeeded: area.count),
                at: now
            )
        }
    }

    /// Seals bodies with the SA's keys, as a peer could, and receives them.
    func receiveSealed(_ bodies: [SealedBody]) {
        guard let tunnel else { return }
        let cipher = tunnel.cipher(.seal)
        var number = 0
        let received = receivePackets(
            bodies.map { body in
                number = max(number + body.step, 1)
                return sealed(body.bytes, spi: FuzzTunnel.spi, number: UInt32(number), cipher)
            }
        )
        precondition(received.dropped(.authenticationFailed) == 0)
    }

    /// Receives one batch and judges the result.
    private func receive(
        _ buffers: [[UInt8]],
        packets: Int,
        _ take: FuzzGateway.Arrival
    ) -> FuzzGateway.Received {
        let octets = buffers.reduce(0) { $0 + $1.count }
        let isTrain = tunnel?.isTrain == true
        let received = unsafe gateway.receive(buffers, givesUp: isTrain, take)
        precondition(received.control.allSatisfy { $0 <= octets - 4 })
        let delivered = received.frames.reduce(0) { $0 + $1.packets }
        if isTrain {
            // Several packets in one, or one in several; none is shorter than its header.
            precondition(delivered <= octets / 20, "packets were made up")
        } else {
            let accounted = received.dropCount + received.control.count + delivered
            precondition(accounted == packets, "a packet was lost or made up")
        }
        precondition(received.frames.reduce(0) { $0 + $1.packet.count } <= octets)
        if let tunnel, tunnel.isNarrow {
            precondition(received.frames.allSatisfy(\.isWithinNarrowSelectors))
        }
        return received
    }

    // MARK: From the device

    func readDevice(_ frames: [[UInt8]]) {
        guard let tunnel else { return }
        gateway.read(frames) { pass($0, tunnel) }
    }

    /// Judges a batch, and has the other end open it.
    private func pass(_ batch: [FuzzGateway.Sent], _ tunnel: FuzzTunnel) {
        for sent in batch {
            let outer = 20 + (tunnel.isUDP ? 8 : 0) + sent.run.segmentSize
            precondition(
                !sent.run.dontFragment || outer <= tunnel.linkMTU,
                "longer than the link"
            )
        }
        precondition(gateway.answers.allSatisfy { $0.packets == 1 })
        let received = receivePackets(batch.map(\.bytes))
        // ECN may be dropped, as `receivePackets` marks at will; nothing else may be.
        for reason in DropReason.allCases where reason != .congestionMark {
            // Of a packet whose first fragment was dropped here the rest is of no use there.
            let apart: [DropReason] = [.selectorMismatch, .fragmentBeforeFirst]
            guard !tunnel.isNarrow || !apart.contains(reason) else { continue }
            precondition(
                received.dropped(reason) == 0,
                "the other end drops what was sealed: \(reason)"
            )
        }
    }
}

extension DeviceFrame {
    fileprivate var isWithinNarrowSelectors: Bool {
        guard packet[0] >> 4 == 4 else { return false }
        return [6, 17].contains(packet[9]) && packet[12...13] == [10, 1]
            && packet[16...17] == [10, 2] || isErrorForNarrowSelectors
    }

    /// An ICMP error to whoever sent the packet that it quotes, which went the other way.
    private var isErrorForNarrowSelectors: Bool {
        let start = Int(packet[0] & 15) * 4
        guard packet[9] == 1, packet.count >= start + 28, [3, 11, 12].contains(packet[start])
        else { return false }
        let quoted = Array(packet[(start + 8)...])
        return [6, 17].contains(quoted[9]) && quoted[12...13] == [10, 2]
            && quoted[16...17] == [10, 1] && quoted[12..<16] == packet[16..<20]
    }
}
