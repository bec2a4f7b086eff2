import IPsecPrimitives
import Inspection
import Testing

@Suite struct DatagramTests {
    private static let message: [UInt8] = [1, 2, 3, 4, 5]

    private func udp(_ source: UInt16, _ destination: UInt16, _ body: [UInt8]) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(source)
        writer.write(destination)
        writer.write(UInt16(8 + body.count))
        writer.write(UInt16(0))
        writer.write(body)
        return writer.bytes
    }

    private func ipv4(_ ipProtocol: UInt8, _ body: [UInt8], fragment: UInt16 = 0) -> [UInt8] {
        var writer = ByteWriter()
        writer.write([0x45, 0])
        writer.write(UInt16(20 + body.count))
        writer.write(UInt16(0))
        writer.write(fragment)
        writer.write([64, ipProtocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2])
        writer.write(body)
        return writer.bytes
    }

    private func ipv6(_ next: UInt8, _ body: [UInt8]) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(UInt32(0x6000_0000))
        writer.write(UInt16(body.count))
        writer.write([next, 64])
        writer.write(IPv6Address("2001:db8::1")!.bytes)
        writer.write(IPv6Address("2001:db8::2")!.bytes)
        writer.write(body)
        return writer.bytes
    }

    private func datagram(_ packet: [UInt8]) -> Datagram? {
        IPPacket(packet[...]).flatMap { Datagram($0) }
    }

    private func content(_ packet: [UInt8]) -> DatagramContent? { datagram(packet)?.content }

    @Test func port500() {
        let message = DatagramTests.message
        #expect(content(ipv4(17, udp(500, 500, message))) == .ike(message[...]))
        #expect(content(ipv6(17, udp(500, 33000, message))) == .ike(message[...]))
        #expect(content(ipv4(17, udp(53, 53, message))) == nil)
    }

    @Test func port4500() {
        let message = DatagramTests.message
        #expect(content(ipv4(17, udp(4500, 4500, [0, 0, 0, 0] + message))) == .ike(message[...]))
        #expect(content(ipv4(17, udp(4500, 4500, message))) == .esp(message[...]))
        #expect(content(ipv4(17, udp(4500, 4500, [0xff]))) == .keepalive)
    }

    @Test func rawESP() {
        let packet = datagram(ipv4(50, DatagramTests.message))
        #expect(packet?.content == .esp(DatagramTests.message[...]) && packet?.isUDP == false)
        #expect(content(ipv6(50, DatagramTests.message)) == .esp(DatagramTests.message[...]))
    }

    @Test func extensionHeadersAreSkipped() {
        let body = [50, 0, 0, 0, 0, 0, 0, 0] + DatagramTests.message
        #expect(content(ipv6(60, body)) == .esp(DatagramTests.message[...]))
        #expect(content(ipv6(44, body)) == .fragment)
        #expect(content(ipv6(60, [50, 9, 0, 0, 0, 0, 0, 0])) == nil)
    }

    @Test func fragments() {
        #expect(content(ipv4(17, udp(500, 500, [1]), fragment: 0x2000)) == .fragment)
        #expect(content(ipv4(50, [1], fragment: 5)) == .fragment)
    }

    @Test func trailingBytesOfTheLinkAreCut() {
        let packet = ipv4(50, DatagramTests.message) + [0, 0, 0, 0, 0]
        #expect(content(packet) == .esp(DatagramTests.message[...]))
    }

    @Test func linkTypes() {
        let packet = ipv4(50, DatagramTests.message)
        let ethernet = [UInt8](repeating: 2, count: 12)
        #expect(LinkType.raw.packet(in: packet[...]) == packet[...])
        for (type, header) in [
            (LinkType.ethernet, ethernet + [8, 0]),
            (LinkType.ethernet, ethernet + [0x81, 0, 0, 5, 8, 0]),
            (LinkType.ethernet, ethernet + [0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0]),
            (LinkType.linuxCooked, [UInt8](repeating: 0, count: 14) + [8, 0]),
            (LinkType.linuxCooked2, [8, 0] + [UInt8](repeating: 0, count: 18)),
            (LinkType.null, [2, 0, 0, 0]),
        ] {
            let frame = header + packet
            #expect(type.packet(in: frame[...]).map { Array($0) } == packet)
            for count in 0..<header.count {
                #expect(type.packet(in: frame[..<count]) == nil)
            }
        }
        #expect(LinkType.ethernet.packet(in: (ethernet + [8, 6, 0, 0])[...]) == nil)
        #expect(LinkType(rawValue: 9999).packet(in: packet[...]) == nil)
    }
}
