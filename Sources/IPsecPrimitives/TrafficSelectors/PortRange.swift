/// The ports of a traffic selector, or, for ICMP, its types and codes (RFC 7296 §3.13.1).
package struct PortRange: Hashable, Sendable {
    package let lower: UInt16
    package let upper: UInt16

    private init(uncheckedLower: UInt16, upper: UInt16) {
        lower = uncheckedLower
        self.upper = upper
    }

    /// Nil when `lower` is above `upper`.
    package init?(_ lower: UInt16, through upper: UInt16) {
        guard lower <= upper else { return nil }
        self.init(uncheckedLower: lower, upper: upper)
    }

    package init(_ port: UInt16) {
        self.init(uncheckedLower: port, upper: port)
    }

    /// Every port; also packets whose ports cannot be seen (RFC 4301 §4.4.1.1).
    package static let any = PortRange(uncheckedLower: 0, upper: .max)

    /// RFC 7296 §3.13.1: start 65535 and end 0 stand for OPAQUE, packets whose ports cannot be
    /// seen, such as fragments behind the first.
    package static let opaque = PortRange(uncheckedLower: .max, upper: 0)

    /// One ICMP type, with one code or with every code.
    package static func icmp(type: UInt8, code: UInt8? = nil) -> PortRange {
        let base = UInt16(type) << 8
        return PortRange(
            uncheckedLower: base | UInt16(code ?? 0),
            upper: base | UInt16(code ?? 255)
        )
    }

    package var isAny: Bool { self == .any }
    package var isOpaque: Bool { self == .opaque }

    package func contains(_ port: UInt16) -> Bool { lower <= port && port <= upper }

    /// Whether each packet that `other` covers is covered here too.
    package func covers(_ other: PortRange) -> Bool {
        if isAny || self == other { return true }
        return !isOpaque && !other.isOpaque && lower <= other.lower && other.upper <= upper
    }

    /// What both cover; nil when that is nothing.
    package func intersection(_ other: PortRange) -> PortRange? {
        if isAny { return other }
        if other.isAny { return self }
        if isOpaque || other.isOpaque { return self == other ? self : nil }
        return PortRange(max(lower, other.lower), through: min(upper, other.upper))
    }
}
