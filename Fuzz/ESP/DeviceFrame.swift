/// A frame for the TUN device, judged as the kernel does (Linux `virtio_net_hdr_to_skb`).
struct DeviceFrame {
    var packet: [UInt8]
    /// Packets that it stands for.
    var packets: Int

    private static let headerLength = 10

    init(_ frame: UnsafeRawBufferPointer) {
        precondition(frame.count > DeviceFrame.headerLength)
        let bytes = unsafe Array(frame)
        packet = Array(bytes[DeviceFrame.headerLength...])
        packets = 1
        let isV4 = packet[0] >> 4 == 4
        precondition(isV4 ? packet.count >= 20 : packet[0] >> 4 == 6 && packet.count >= 40)
        let total = DeviceFrame.big(packet, isV4 ? 2 : 4) + (isV4 ? 0 : 40)
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

    var isWithinNarrowSelectors: Bool {
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

    private static func big(_ bytes: [UInt8], _ offset: Int) -> Int {
        Int(bytes[offset]) << 8 | Int(bytes[offset + 1])
    }

    private static func little(_ bytes: [UInt8], _ offset: Int) -> Int {
        Int(bytes[offset]) | Int(bytes[offset + 1]) << 8
    }
}
