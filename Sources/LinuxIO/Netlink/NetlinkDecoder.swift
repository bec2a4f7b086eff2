internal import IPsecPrimitives

/// One message from the kernel.
struct NetlinkMessage {
    var type: UInt16
    var flags: UInt16
    var sequence: UInt32
    var body: ArraySlice<UInt8>

    /// Whether it belongs to a list that was changed while it was shown.
    var isInterrupted: Bool { flags & NetlinkConstant.interrupted != 0 }

    /// The messages of one datagram; what is cut short or malformed ends the list.
    static func parse(_ bytes: [UInt8]) -> [NetlinkMessage] {
        var result: [NetlinkMessage] = []
        var rest = bytes[...]
        while rest.count >= 16 {
            let length = Int(rest.number(at: 0, as: UInt32.self) ?? 0)
            guard length >= 16, length <= rest.count else { break }
            let start = rest.startIndex
            result.append(
                NetlinkMessage(
                    type: rest.number(at: 4, as: UInt16.self) ?? 0,
                    flags: rest.number(at: 6, as: UInt16.self) ?? 0,
                    sequence: rest.number(at: 8, as: UInt32.self) ?? 0,
                    body: rest[(start + 16)..<(start + length)]
                )
            )
            rest = rest.dropFirst(length + NetlinkEncoder.padding(length))
        }
        return result
    }

    /// The attributes behind a fixed part of `fixedLength` bytes.
    func attributes(behind fixedLength: Int) -> NetlinkAttributes {
        NetlinkAttributes(parsing: body.dropFirst(fixedLength))
    }
}

/// The attributes of a message, by type; of two with one type the last counts.
struct NetlinkAttributes {
    private var values: [UInt16: ArraySlice<UInt8>] = [:]

    init(parsing bytes: ArraySlice<UInt8>) {
        var rest = bytes
        while rest.count >= 4 {
            let length = Int(rest.number(at: 0, as: UInt16.self) ?? 0)
            let type = rest.number(at: 2, as: UInt16.self) ?? 0
            guard length >= 4, length <= rest.count else { return }
            let start = rest.startIndex
            // The upper two bits say "nested" and "in network order".
            values[type & 0x3fff] = rest[(start + 4)..<(start + length)]
            rest = rest.dropFirst(length + NetlinkEncoder.padding(length))
        }
    }

    subscript(type: UInt16) -> ArraySlice<UInt8>? { values[type] }

    func number<Value: FixedWidthInteger>(_ type: UInt16, as: Value.Type) -> Value? {
        values[type]?.number(at: 0, as: Value.self)
    }

    func address(_ type: UInt16) -> IPAddress? {
        values[type].flatMap { IPAddress(bytes: $0) }
    }

    func text(_ type: UInt16) -> String? {
        values[type].map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

extension ArraySlice<UInt8> {
    /// The number in the machine's byte order at an offset from the start; nil when cut short.
    func number<Value: FixedWidthInteger>(at offset: Int, as: Value.Type) -> Value? {
        let size = MemoryLayout<Value>.size
        guard count >= offset + size else { return nil }
        var value: Value = 0
        for index in 0..<size {
            let byte = Value(truncatingIfNeeded: self[startIndex + offset + index])
            #if _endian(little)
                value |= byte << Value(8 * index)
            #else
                value |= byte << Value(8 * (size - 1 - index))
            #endif
        }
        return value
    }
}
