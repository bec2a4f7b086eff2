package import IPsecPrimitives

/// An IP packet's addresses and what it carries.
package struct IPPacket: Hashable, Sendable {
    package let source: IPAddress
    package let destination: IPAddress
    /// Behind extension headers.
    package let ipProtocol: UInt8
    package let isFragment: Bool
    package let payload: ArraySlice<UInt8>

    /// Nil when `bytes` are no IP packet. One that was cut is taken as it is.
    package init?(_ bytes: ArraySlice<UInt8>) {
        switch bytes.first.map({ $0 >> 4 }) {
        case 4: self.init(v4: bytes)
        case 6: self.init(v6: bytes)
        default: return nil
        }
    }

    private init?(v4 bytes: ArraySlice<UInt8>) {
        var reader = ByteReader(bytes)
        guard let head = try? reader.readUInt16(), let total = try? reader.readUInt16(),
            (try? reader.readUInt16()) != nil, let fragment = try? reader.readUInt16(),
            (try? reader.readUInt8()) != nil, let ipProtocol = try? reader.readUInt8(),
            (try? reader.readUInt16()) != nil,
            let source = (try? reader.read(4)).flatMap({ IPAddress(bytes: $0) }),
            let destination = (try? reader.read(4)).flatMap({ IPAddress(bytes: $0) })
        else { return nil }
        let headerOctets = Int(head >> 8 & 15) * 4
        // Zero stands in packets that the network card was to cut.
        let octets = total == 0 ? bytes.count : min(Int(total), bytes.count)
        guard headerOctets >= 20, headerOctets <= octets else { return nil }
        self.source = source
        self.destination = destination
        self.ipProtocol = ipProtocol
        isFragment = fragment & 0x3fff != 0
        payload = bytes[bytes.startIndex + headerOctets..<bytes.startIndex + octets]
    }

    private static let extensions: Set<UInt8> = [0, 43, 60]
    private static let fragmentHeader: UInt8 = 44

    private init?(v6 bytes: ArraySlice<UInt8>) {
        var reader = ByteReader(bytes)
        guard (try? reader.readUInt32()) != nil, let length = try? reader.readUInt16(),
            var next = try? reader.readUInt8(), (try? reader.readUInt8()) != nil,
            let source = (try? reader.read(16)).flatMap({ IPAddress(bytes: $0) }),
            let destination = (try? reader.read(16)).flatMap({ IPAddress(bytes: $0) })
        else { return nil }
        var rest = length == 0 ? reader.readRest() : reader.readRest().prefix(Int(length))
        var isFragment = false
        while IPPacket.extensions.contains(next) || next == IPPacket.fragmentHeader {
            guard rest.count >= 8 else { return nil }
            let start = rest.startIndex
            let octets: Int
            if next == IPPacket.fragmentHeader {
                isFragment = true
                octets = 8
            } else {
                octets = 8 + 8 * Int(rest[start + 1])
            }
            guard octets <= rest.count else { return nil }
            next = rest[start]
            rest = rest.dropFirst(octets)
        }
        self.source = source
        self.destination = destination
        ipProtocol = next
        self.isFragment = isFragment
        payload = rest
    }
}
