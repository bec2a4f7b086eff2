internal import Foundation
internal import IPsecPrimitives
package import Management
internal import PacketProtection

/// Traced packets as a pcapng file: two interfaces, `inner` for packets before protection or behind
/// it, `outer` for the datagrams that they left or came in, each with what was decided as a comment.
package struct TraceCapture {
    /// The beginning of the file.
    package let header: [UInt8]
    /// So far.
    package private(set) var innerPackets = 0
    package private(set) var outerPackets = 0

    private static let sectionHeader: UInt32 = 0x0a0d_0d0a
    private static let interfaceDescription: UInt32 = 1
    private static let enhancedPacket: UInt32 = 6
    /// Bare IP packets (LINKTYPE_RAW).
    private static let linkType: UInt16 = 101

    private enum Interface: UInt32 {
        case inner = 0
        case outer = 1
    }

    // Numbers of options: of any block, of the section, of an interface, of a packet.
    private static let comment: UInt16 = 1
    private static let application: UInt16 = 4
    private static let interfaceName: UInt16 = 2
    /// The lowest two bits are the direction: 1 in, 2 out.
    private static let packetFlags: UInt16 = 2

    /// - Parameter snapLength: octets of each packet at most, as asked for.
    package init(snapLength: Int) {
        var section = ByteWriter(reserving: 64)
        section.write(UInt32(0x1a2b_3c4d))
        section.write(UInt16(1))
        section.write(UInt16(0))
        section.write(UInt64.max)
        TraceCapture.write(
            TraceCapture.application,
            Array("cygnet \(cygnetVersion)".utf8),
            to: &section
        )
        section.write(UInt32(0))
        var file = TraceCapture.block(TraceCapture.sectionHeader, section.bytes)
        for name in ["inner", "outer"] {
            var interface = ByteWriter(reserving: 32)
            interface.write(TraceCapture.linkType)
            interface.write(UInt16(0))
            interface.write(UInt32(snapLength))
            TraceCapture.write(TraceCapture.interfaceName, Array(name.utf8), to: &interface)
            interface.write(UInt32(0))
            file += TraceCapture.block(TraceCapture.interfaceDescription, interface.bytes)
        }
        header = file
    }

    /// The block of an entry; nil where it has no octets, or none that make a packet.
    package mutating func block(of entry: TraceEntry) -> [UInt8]? {
        guard let text = entry.octets, let octets = Data(base64Encoded: text), !octets.isEmpty
        else { return nil }
        let isOuter = entry.outcome == .datagram
        let packet: [UInt8]
        let length: Int
        if isOuter {
            let whole = entry.protection?.octets ?? octets.count
            guard let made = TraceCapture.outerPacket(entry, [UInt8](octets), length: whole) else {
                return nil
            }
            packet = made
            length = max(whole + made.count - octets.count, made.count)
            outerPackets += 1
        } else {
            packet = [UInt8](octets)
            length = max(entry.packet?.octets ?? packet.count, packet.count)
            innerPackets += 1
        }
        var writer = ByteWriter(reserving: packet.count + 256)
        writer.write((isOuter ? Interface.outer : .inner).rawValue)
        let time = TraceCapture.microseconds(entry.time)
        writer.write(UInt32(truncatingIfNeeded: time >> 32))
        writer.write(UInt32(truncatingIfNeeded: time))
        writer.write(UInt32(packet.count))
        writer.write(UInt32(length))
        writer.write(packet)
        TraceCapture.pad(packet.count, &writer)
        if !isOuter {
            TraceCapture.write(
                TraceCapture.comment,
                Array(TraceText(entry).line.utf8),
                to: &writer
            )
        }
        let direction: UInt8 = entry.direction == .inbound ? 1 : 2
        TraceCapture.write(TraceCapture.packetFlags, [0, 0, 0, direction], to: &writer)
        writer.write(UInt32(0))
        return TraceCapture.block(TraceCapture.enhancedPacket, writer.bytes)
    }

    /// A datagram with the headers that the socket gave it.
    private static func outerPacket(
        _ entry: TraceEntry,
        _ octets: [UInt8],
        length: Int
    ) -> [UInt8]? {
        if entry.hasOuterHeader == true { return octets }
        guard let path = entry.path, let local = IPAddress(path.local),
            let remote = IPAddress(path.remote), local.version == remote.version
        else { return nil }
        let here = Endpoint(address: local, port: path.localPort ?? 0)
        let there = Endpoint(address: remote, port: path.remotePort ?? 0)
        let isInbound = entry.direction == .inbound
        return WirePacket.octets(
            from: isInbound ? there : here,
            to: isInbound ? here : there,
            // What goes by TCP is a part of a stream: as UDP it can be looked at.
            isUDP: path.carrier != "ip",
            payload: octets,
            length: length
        )
    }

    private static func microseconds(_ seconds: Double) -> UInt64 {
        guard seconds.isFinite, seconds >= 0, seconds < 1e12 else { return 0 }
        return UInt64(seconds * 1e6)
    }

    private static func write(_ option: UInt16, _ value: [UInt8], to writer: inout ByteWriter) {
        let short = value.prefix(60_000)
        writer.write(option)
        writer.write(UInt16(short.count))
        writer.write(Array(short))
        pad(short.count, &writer)
    }

    /// Every field ends at a boundary of four octets.
    private static func pad(_ count: Int, _ writer: inout ByteWriter) {
        for _ in 0..<(-count & 3) { writer.write(UInt8(0)) }
    }

    /// Big-endian, as the section header says.
    private static func block(_ type: UInt32, _ body: [UInt8]) -> [UInt8] {
        var writer = ByteWriter(reserving: body.count + 12)
        let length = UInt32(body.count + 12)
        writer.write(type)
        writer.write(length)
        writer.write(body)
        writer.write(length)
        return writer.bytes
    }
}
