internal import IPsecPrimitives

/// Writes one netlink request: the fixed part, then attributes, each padded to four bytes.
///
/// Netlink speaks the machine's own byte order; only addresses are in network order.
struct NetlinkEncoder {
    private(set) var bytes: [UInt8] = []

    mutating func byte(_ value: UInt8) {
        bytes.append(value)
    }

    mutating func number<Value: FixedWidthInteger>(_ value: Value) {
        bytes += NetlinkEncoder.native(value)
    }

    mutating func attribute(_ type: UInt16, bytes value: [UInt8]) {
        number(UInt16(4 + value.count))
        number(type)
        bytes += value
        bytes += [UInt8](repeating: 0, count: NetlinkEncoder.padding(value.count))
    }

    mutating func attribute<Value: FixedWidthInteger>(_ type: UInt16, _ value: Value) {
        attribute(type, bytes: NetlinkEncoder.native(value))
    }

    mutating func attribute(_ type: UInt16, _ address: IPAddress) {
        attribute(type, bytes: address.bytes)
    }

    /// A string ends in a zero byte.
    mutating func attribute(_ type: UInt16, _ text: String) {
        attribute(type, bytes: Array(text.utf8) + [0])
    }

    mutating func nested(_ type: UInt16, _ body: (inout NetlinkEncoder) -> Void) {
        var inner = NetlinkEncoder()
        body(&inner)
        attribute(type | NetlinkConstant.nested, bytes: inner.bytes)
    }

    static func padding(_ count: Int) -> Int { (4 - count % 4) % 4 }

    private static func native<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
        (0..<MemoryLayout<Value>.size).map { index in
            #if _endian(little)
                UInt8(truncatingIfNeeded: value >> Value(8 * index))
            #else
                UInt8(
                    truncatingIfNeeded: value >> Value(8 * (MemoryLayout<Value>.size - 1 - index))
                )
            #endif
        }
    }
}
