/// An IPv4 address; `bits` is in host order, so that addresses compare and count naturally.
package struct IPv4Address: Hashable, Comparable, Sendable {
    package let bits: UInt32

    package init(bits: UInt32) {
        self.bits = bits
    }

    /// The address in four bytes, network order; nil when there are not four.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 4 else { return nil }
        bits = bytes.reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// Dotted-decimal text with exactly four parts and no leading zeros; nil for anything else.
    package init?(_ text: some StringProtocol) {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bits: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.count), part.count == 1 || part.first != UInt8(ascii: "0")
            else { return nil }
            var value: UInt32 = 0
            for character in part {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(character) else {
                    return nil
                }
                value = value * 10 + UInt32(character - UInt8(ascii: "0"))
            }
            guard value <= 255 else { return nil }
            bits = bits << 8 | value
        }
        self.bits = bits
    }

    package var bytes: [UInt8] {
        [UInt8(bits >> 24), UInt8(bits >> 16 & 255), UInt8(bits >> 8 & 255), UInt8(bits & 255)]
    }

    package static func < (left: IPv4Address, right: IPv4Address) -> Bool { left.bits < right.bits }
}

extension IPv4Address: CustomStringConvertible {
    package var description: String { bytes.map(String.init).joined(separator: ".") }
}
