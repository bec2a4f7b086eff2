/// An IPv6 address; `bits` is in host order, so that addresses compare and count naturally.
package struct IPv6Address: Hashable, Comparable, Sendable {
    // Two words rather than one of 128 bits: Swift 6.3 gives an enum that holds a `UInt128` less
    // than the alignment that its own aligned loads need, and such loads then trap.
    private let high: UInt64
    private let low: UInt64

    package init(bits: UInt128) {
        high = UInt64(truncatingIfNeeded: bits >> 64)
        low = UInt64(truncatingIfNeeded: bits)
    }

    package var bits: UInt128 { UInt128(high) << 64 | UInt128(low) }

    /// The address in sixteen bytes, network order; nil when there are not sixteen.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        self.init(bits: bytes.reduce(0) { $0 << 8 | UInt128($1) })
    }

    /// Text as in RFC 4291 §2.2 (`::` once, an IPv4 tail allowed), without a zone; nil otherwise.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count >= 2, text.utf8.count <= 45 else { return nil }
        let whole = String(text)
        var halves: [Substring] = []
        if let gap = IPv6Address.rangeOfGap(in: whole) {
            halves = [whole[..<gap.lowerBound], whole[gap.upperBound...]]
            if IPv6Address.rangeOfGap(in: String(halves[1])) != nil { return nil }
        } else {
            halves = [whole[...]]
        }
        var groups: [[UInt16]] = []
        for (index, half) in halves.enumerated() {
            guard
                let parsed = IPv6Address.groups(half, mayEndInIPv4: index == halves.count - 1)
            else { return nil }
            groups.append(parsed)
        }
        let present = groups.reduce(0) { $0 + $1.count }
        guard halves.count == 2 ? present <= 7 : present == 8 else { return nil }
        let zeros = Array(repeating: UInt16(0), count: 8 - present)
        let all = halves.count == 2 ? groups[0] + zeros + groups[1] : groups[0]
        self.init(bits: all.reduce(0) { $0 << 16 | UInt128($1) })
    }

    package var bytes: [UInt8] {
        (0..<16).map { UInt8(truncatingIfNeeded: bits >> UInt128(8 * (15 - $0))) }
    }

    package static func < (left: IPv6Address, right: IPv6Address) -> Bool { left.bits < right.bits }

    private static func rangeOfGap(in text: String) -> Range<String.Index>? {
        var index = text.startIndex
        while index < text.endIndex {
            let next = text.index(after: index)
            if next < text.endIndex, text[index] == ":", text[next] == ":" {
                return index..<text.index(after: next)
            }
            index = next
        }
        return nil
    }

    private static func groups(_ text: Substring, mayEndInIPv4: Bool) -> [UInt16]? {
        if text.isEmpty { return [] }
        var result: [UInt16] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if mayEndInIPv4, index == parts.count - 1, part.contains(".") {
                guard let tail = IPv4Address(part) else { return nil }
                result += [UInt16(tail.bits >> 16), UInt16(tail.bits & 0xffff)]
            } else {
                guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy(isHexadecimalDigit),
                    let value = UInt16(part, radix: 16)
                else { return nil }
                result.append(value)
            }
        }
        return result.count <= 8 ? result : nil
    }

    private static func isHexadecimalDigit(_ character: UInt8) -> Bool {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }
}

extension IPv6Address: CustomStringConvertible {
    /// The canonical text of RFC 5952 §4: lower case, no leading zeros, the longest run of zero
    /// groups (the first of equals, never a single one) as `::`.
    package var description: String {
        let groups = (0..<8).map { UInt16(truncatingIfNeeded: bits >> UInt128(16 * (7 - $0))) }
        var best = 0..<0
        var index = 0
        while index < 8 {
            var end = index
            while end < 8, groups[end] == 0 { end += 1 }
            if end - index > max(best.count, 1) { best = index..<end }
            index = max(end, index + 1)
        }
        func joined(_ range: Range<Int>) -> String {
            groups[range].map { String($0, radix: 16) }.joined(separator: ":")
        }
        return best.isEmpty
            ? joined(0..<8) : joined(0..<best.lowerBound) + "::" + joined(best.upperBound..<8)
    }
}
