/// A frame for the TUN device, judged as the kernel does (Linux `virtio_net_hdr_to_skb`).
package struct DeviceFrame {
    package var packet: [UInt8]
    /// Packets that it stands for.
    package var packets: Int

    private static let headerLength = 10

    package init(_ bytes: [UInt8]) {
        precondition(bytes.count > DeviceFrame.headerLength)
        packet = Array(bytes[DeviceFrame.headerLength...])
        packets = 1
        let isV4 = packet[0] >> 4 == 4
        precondition(isV4 ? packet.count >= 20 : packet[0] >> 4 == 6 && packet.count >= 40)
        let total = packet.number16(isV4 ? 2 : 4) + (isV4 ? 0 : 40)
        precondition(total == packet.count, "the packet's own length differs")
        guard bytes[1] != 0 else {
            precondition(bytes[..<10].allSatisfy { $0 == 0 })
            return
        }
        let network = isV4 ? 20 : 40
        let headers = DeviceFrame.little(bytes, 2)
        let segment = DeviceFrame.little(bytes, 4)
        precondition(bytes[0] == 1 && bytes[1] == (isV4 ? 1 : 4))
        precondition(headers >= network + 20 && headers < packet.count && segment > 0)
        precondition(DeviceFrame.little(bytes, 6) == network && DeviceFrame.little(bytes, 8) == 16)
        packets = (packet.count - headers + segment - 1) / segment
        precondition(packets > 1)
    }

    /// A frame of a packet that asks for nothing.
    package static func plain(_ packet: [UInt8]) -> [UInt8] {
        Array(repeating: 0, count: headerLength) + packet
    }

    private static func little(_ bytes: [UInt8], _ offset: Int) -> Int {
        Int(bytes[offset]) | Int(bytes[offset + 1]) << 8
    }
}
