internal import FuzzPacketPath

/// Fragments that come in order, as a host's own stack writes them: any that does not continue what
/// there is ends its packet, and of more than four packets the oldest goes.
struct OrderedAssembly {
    private static let most = 4

    /// The oldest first.
    private var open: [(identification: UInt32, packet: [UInt8], header: Int)] = []

    mutating func take(_ bytes: [UInt8], _ plain: PlainPacket, _ part: PlainFragment) -> [UInt8]? {
        let content = bytes[part.start..<plain.total]
        guard !part.hasMore || content.count % 8 == 0 && !content.isEmpty else { return nil }
        let known = open.firstIndex { $0.identification == part.identification }
        if part.offset == 0 {
            if let known { open.remove(at: known) }
            if open.count == OrderedAssembly.most { open.removeFirst() }
            var header = Array(bytes[..<part.header])
            if !plain.isV4 { header[part.nextPlace] = part.next }
            open.append((part.identification, header, header.count))
        } else if known == nil {
            return nil
        }
        let index = open.firstIndex { $0.identification == part.identification }!
        let entry = open[index]
        guard entry.packet.count - entry.header == part.offset,
            entry.packet.count + content.count <= 65_535
        else {
            open.remove(at: index)
            return nil
        }
        open[index].packet += content
        guard !part.hasMore else { return nil }
        var whole = open.remove(at: index).packet
        whole.store16(plain.isV4 ? whole.count : whole.count - 40, plain.isV4 ? 2 : 4)
        if plain.isV4 {
            whole.store16(0, 6)
            storeHeaderChecksum(&whole, length: entry.header)
        }
        return whole
    }
}
