internal import IPsecPrimitives
internal import PacketProtection

/// The daemon's own packet path, between simulated hosts and the simulated network.
final class PacketPath {
    private var outbound: OutboundProcessor
    private var inbound: InboundProcessor

    /// Before each packet of the device (`virtio_net.h`).
    private static let deviceHeader = 10

    init(tunnels: Int) {
        var configuration = PacketPathConfiguration()
        configuration.maximumSAs = max(256, 8 * tunnels)
        configuration.flowCacheEntries = 64
        configuration.slabOctets = PacketPathConfiguration.minimumSlabOctets
        configuration.maximumJobs = 128
        configuration.coalescesTCP = false
        configuration.held.totalOctets = 1 << 17
        outbound = OutboundProcessor(configuration)
        inbound = InboundProcessor(configuration)
    }

    /// Carries out a command, and gives what leaves because of it.
    func apply(_ command: PacketPathCommand, at now: Instant) -> [WireDatagram] {
        switch command.direction {
        case .outbound: outbound.apply(command, at: now)
        case .inbound: inbound.apply(command, at: now)
        case .both:
            outbound.apply(command, at: now)
            inbound.apply(command, at: now)
        }
        var sent: [WireDatagram] = []
        while outbound.hasReleasedPackets {
            outbound.takeReleased(at: now)
            sent += flush(at: now)
        }
        return sent
    }

    /// A host sends a packet.
    func send(_ packet: [UInt8], at now: Instant) -> [WireDatagram] {
        let buffer = unsafe outbound.readBuffer
        for index in 0..<PacketPath.deviceHeader { unsafe buffer[index] = 0 }
        for index in packet.indices {
            unsafe buffer[PacketPath.deviceHeader + index] = packet[index]
        }
        outbound.processRead(byteCount: PacketPath.deviceHeader + packet.count, at: now)
        return flush(at: now)
    }

    private func flush(at now: Instant) -> [WireDatagram] {
        outbound.seal(at: now)
        var sent: [WireDatagram] = []
        for index in unsafe 0..<outbound.runs.count {
            let run = unsafe outbound.runs[index]
            let path = outbound.path(ofSlot: run.slot)
            for number in 0..<run.count {
                let start = run.offset + number * run.segmentSize
                let count = min(run.segmentSize, run.offset + run.byteCount - start)
                let bytes = unsafe UnsafeRawBufferPointer(
                    start: outbound.datagrams + start,
                    count: count
                )
                sent.append(
                    WireDatagram(
                        carrier: WireDatagram.Carrier(path.encapsulation),
                        source: path.local,
                        destination: path.remote,
                        bytes: unsafe Array(bytes)
                    )
                )
            }
        }
        outbound.reset()
        return sent
    }

    /// What came by the network: packets for hosts, and IKE messages from behind the marker.
    func receive(_ datagram: WireDatagram, at now: Instant) -> (packets: [[UInt8]], ike: [[UInt8]])
    {
        var bytes = datagram.bytes
        var packets: [[UInt8]] = []
        var ike: [[UInt8]] = []
        unsafe bytes.withUnsafeMutableBytes { area in
            guard let base = area.baseAddress else { return }
            switch datagram.carrier {
            case .udp:
                unsafe inbound.receiveUDP(
                    base,
                    byteCount: area.count,
                    segmentSize: 0,
                    from: datagram.source,
                    to: datagram.destination,
                    trafficClass: 0,
                    at: now
                )
            case .tcp:
                unsafe inbound.receiveStreamed(
                    base,
                    byteCount: area.count,
                    from: datagram.source,
                    to: datagram.destination,
                    at: now
                )
            case .esp:
                unsafe inbound.receiveESP(
                    base,
                    byteCount: area.count,
                    from: datagram.source.address,
                    to: datagram.destination.address,
                    trafficClass: 0,
                    at: now
                )
            }
            inbound.open(at: now)
            for index in unsafe 0..<inbound.deviceWrites.count {
                let write = unsafe inbound.deviceWrites[index]
                let packet = unsafe UnsafeRawBufferPointer(
                    start: inbound.deviceBytes + write.offset + PacketPath.deviceHeader,
                    count: write.byteCount - PacketPath.deviceHeader
                )
                unsafe packets.append(Array(packet))
            }
            for index in unsafe 0..<inbound.controlDatagrams.count {
                unsafe ike.append(Array(inbound.controlDatagrams[index].bytes))
            }
            inbound.reset()
        }
        return (packets, ike)
    }

    func expire(at now: Instant) { outbound.expire(at: now) }

    func takeEvents() -> [PacketPathEvent] {
        let events = outbound.takeEvents()
        return events.isEmpty ? inbound.takeEvents() : events + inbound.takeEvents()
    }

    var outboundSnapshot: PacketPathSnapshot { outbound.snapshot() }
    var inboundSnapshot: PacketPathSnapshot { inbound.snapshot() }
}

extension WireDatagram.Carrier {
    fileprivate init(_ encapsulation: Encapsulation) {
        self =
            switch encapsulation {
            case .udp: .udp
            case .esp: .esp
            case .tcp: .tcp
            }
    }
}
