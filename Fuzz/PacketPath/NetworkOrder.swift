// Numbers in packets, read and written as slowly and plainly as can be: what judges must not share
// the ways of what is judged.
extension [UInt8] {
    package func number16(_ offset: Int) -> Int {
        Int(self[offset]) << 8 | Int(self[offset + 1])
    }

    package func number32(_ offset: Int) -> UInt32 {
        UInt32(number16(offset)) << 16 | UInt32(number16(offset + 2))
    }

    package mutating func store16(_ value: Int, _ offset: Int) {
        self[offset] = UInt8(value >> 8 & 255)
        self[offset + 1] = UInt8(value & 255)
    }

    package mutating func store32(_ value: UInt32, _ offset: Int) {
        store16(Int(value >> 16), offset)
        store16(Int(value & 0xffff), offset + 2)
    }
}

/// RFC 1071: the checksum of octets whose checksum field is zero.
package func internetChecksum(_ bytes: some Sequence<UInt8>) -> Int {
    var sum = 0
    for (index, octet) in bytes.enumerated() {
        sum += index % 2 == 0 ? Int(octet) << 8 : Int(octet)
    }
    while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
    return 0xffff - sum
}

/// Writes the checksum of an IPv4 header of `length` octets.
package func storeHeaderChecksum(_ packet: inout [UInt8], length: Int) {
    packet.store16(0, 10)
    packet.store16(internetChecksum(packet[..<length]), 10)
}
