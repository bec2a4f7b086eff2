/// Rates as the configuration writes them: `100Mbit`.
enum RateText {
    static func parse(
        _ range: ClosedRange<UInt64>
    ) -> (String) throws(Complaint) -> UInt64 {
        { (text) throws(Complaint) in
            let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == "_" || $0 == ".") }
            var unit = text.dropFirst(digits.count).drop { $0 == " " }
            if unit.hasSuffix("/s") { unit = unit.dropLast(2) }
            guard let scale = units[String(unit)], let value = value(digits, scale) else {
                throw Complaint(
                    "\"\(shown(text))\" is not a rate",
                    hint: "write a number and a unit (bit, kbit, Mbit or Gbit, each a second), "
                        + "as in 100Mbit"
                )
            }
            guard range.contains(value) else {
                throw Complaint(
                    "\(shown(text)) is out of range",
                    hint: "write \(describe(range.lowerBound)) to \(describe(range.upperBound))"
                )
            }
            return value
        }
    }

    private static let units: [String: UInt64] = [
        "bit": 1, "kbit": 1000, "Mbit": 1_000_000, "Gbit": 1_000_000_000,
    ]

    /// Digits with at most one point among them, times a power of thousand.
    private static func value(_ text: Substring, _ scale: UInt64) -> UInt64? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard let first = parts.first, parts.count <= 2,
            let whole = UInt64(first.filter { $0 != "_" })
        else { return nil }
        let (product, overflow) = whole.multipliedReportingOverflow(by: scale)
        guard !overflow else { return nil }
        guard parts.count == 2 else { return product }
        var rest = scale
        var sum = product
        guard !parts[1].isEmpty else { return nil }
        for digit in parts[1].utf8 {
            guard (48...57).contains(digit), rest % 10 == 0 else { return nil }
            rest /= 10
            let (next, overflow) = sum.addingReportingOverflow(UInt64(digit - 48) * rest)
            guard !overflow else { return nil }
            sum = next
        }
        return sum
    }

    /// A rate in the largest unit that shows it: `100Mbit`, `1.5Gbit`.
    static func describe(_ rate: UInt64) -> String {
        for (unit, scale) in [("Gbit", UInt64(1_000_000_000)), ("Mbit", 1_000_000), ("kbit", 1000)]
        where rate >= scale {
            let rest = rate % scale
            if rest == 0 { return "\(rate / scale)\(unit)" }
            var digits = "\(scale + rest)".dropFirst()
            while digits.last == "0" { digits = digits.dropLast() }
            return "\(rate / scale).\(digits)\(unit)"
        }
        return "\(rate)bit"
    }
}

extension UInt64 {
    /// A rate in bits a second as the configuration writes it: `100Mbit`.
    package var rateText: String { RateText.describe(self) }
}
