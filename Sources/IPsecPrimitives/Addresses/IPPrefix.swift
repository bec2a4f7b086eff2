/// A network: an address whose bits behind `length` are zero.
package struct IPPrefix: Hashable, Sendable {
    package let address: IPAddress
    /// Bits that count, 0 to 32 or 128.
    package let length: Int

    /// Nil when `length` is outside the version's range or bits behind it are set.
    package init?(address: IPAddress, length: Int) {
        let width = address.version.addressBits
        guard (0...width).contains(length) else { return nil }
        guard address.bits & IPPrefix.hostMask(width: width, length: length) == 0 else {
            return nil
        }
        self.address = address
        self.length = length
    }

    /// `10.0.0.0/8`, or an address alone, which is a network of one; nil for anything else.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(first) else { return nil }
        if parts.count == 1 {
            self.init(address: address, length: address.version.addressBits)
            return
        }
        let digits = parts[1]
        guard (1...3).contains(digits.utf8.count),
            digits.utf8.allSatisfy({ (48...57).contains($0) }),
            let length = Int(digits)
        else { return nil }
        self.init(address: address, length: length)
    }

    package var version: IPVersion { address.version }

    package var first: IPAddress { address }

    package var last: IPAddress {
        IPAddress(
            version: version,
            bits: address.bits | IPPrefix.hostMask(width: version.addressBits, length: length)
        )
    }

    package func contains(_ other: IPAddress) -> Bool {
        other.version == version && other.bits >= first.bits && other.bits <= last.bits
    }

    /// The fewest networks that cover `range` exactly, in order; empty when it is upside down or
    /// of two versions.
    package static func covering(_ lower: IPAddress, through upper: IPAddress) -> [IPPrefix] {
        guard lower.version == upper.version, lower.bits <= upper.bits else { return [] }
        let width = lower.version.addressBits
        var result: [IPPrefix] = []
        var start = lower.bits
        while true {
            // The largest block that begins at `start` and does not pass the end.
            var hostBits = start == 0 ? width : min(width, start.trailingZeroBitCount)
            while start | hostMask(width: width, length: width - hostBits) > upper.bits {
                hostBits -= 1
            }
            let address = IPAddress(version: lower.version, bits: start)
            if let prefix = IPPrefix(address: address, length: width - hostBits) {
                result.append(prefix)
            }
            let end = start | hostMask(width: width, length: width - hostBits)
            if end >= upper.bits { return result }
            start = end + 1
        }
    }

    private static func hostMask(width: Int, length: Int) -> UInt128 {
        let hostBits = width - length
        return hostBits == 0 ? 0 : UInt128.max >> UInt128(128 - hostBits)
    }
}

extension IPPrefix: CustomStringConvertible {
    package var description: String { "\(address)/\(length)" }
}
