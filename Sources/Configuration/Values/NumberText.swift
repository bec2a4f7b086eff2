/// Numbers, durations and sizes as the configuration writes them.
enum NumberText {
    /// A whole number in decimal (underscores may group digits) or, after 0x, in hexadecimal.
    static func integer<Value: FixedWidthInteger & Sendable>(
        _ range: ClosedRange<Value>
    ) -> (String) throws(Complaint) -> Value {
        { (text) throws(Complaint) in
            guard let value = magnitude(text) else {
                throw Complaint(
                    "\"\(shown(text))\" is not a whole number",
                    hint: "write a number from \(range.lowerBound) to \(range.upperBound)"
                )
            }
            guard let number = Value(exactly: value), range.contains(number) else {
                throw Complaint(
                    "\(shown(text)) is out of range",
                    hint: "write a number from \(range.lowerBound) to \(range.upperBound)"
                )
            }
            return number
        }
    }

    static func integer<Value: FixedWidthInteger & Sendable>(
        _ range: ClosedRange<Value>,
        orWord word: String
    ) -> (String) throws(Complaint) -> Value? {
        { (text) throws(Complaint) in
            if text == word { return nil }
            do throws(Complaint) {
                return try integer(range)(text)
            } catch {
                throw Complaint(error.message, hint: "\(error.hint), or \(word)")
            }
        }
    }

    /// A number above zero with an optional fraction, such as 1.8.
    static func factor(_ range: ClosedRange<Double>) -> (String) throws(Complaint) -> Double {
        { (text) throws(Complaint) in
            let isPlain = text.utf8.allSatisfy { (48...57).contains($0) || $0 == 0x2E }
            guard isPlain, text.utf8.count <= 20, let value = Double(text), range.contains(value)
            else {
                throw Complaint(
                    "\"\(shown(text))\" is not a factor in range",
                    hint: "write a number from \(range.lowerBound) to \(range.upperBound)"
                )
            }
            return value
        }
    }

    /// A whole number with a unit: ms, s, m (or min), h, d.
    static func duration(
        _ range: ClosedRange<Duration>
    ) -> (String) throws(Complaint) -> Duration {
        { (text) throws(Complaint) in
            let (number, unit) = split(text)
            let range = (lower: range.lowerBound, upper: range.upperBound)
            let limits = "\(describe(range.lower)) to \(describe(range.upper))"
            guard let number else {
                throw Complaint(
                    "\"\(shown(text))\" is not a duration",
                    hint: "write a number and a unit, as in 30s, 10m or 4h (\(limits))"
                )
            }
            guard let scale = durationUnits[unit] else {
                throw Complaint(
                    unit.isEmpty
                        ? "\(shown(text)) has no unit"
                        : "\"\(shown(unit))\" is not a unit of time",
                    hint: "write ms, s, m, h or d after the number, as in \(shown("\(number)"))s"
                )
            }
            let (total, overflow) = number.multipliedReportingOverflow(by: scale)
            let value = Duration.milliseconds(Int64(clamping: overflow ? .max : total))
            guard !overflow, range.lower <= value, value <= range.upper else {
                throw Complaint("\(shown(text)) is out of range", hint: "write \(limits)")
            }
            return value
        }
    }

    /// As `duration`, or `off`.
    static func durationOrOff(
        _ range: ClosedRange<Duration>
    ) -> (String) throws(Complaint) -> Duration? {
        { (text) throws(Complaint) in
            if text == "off" { return nil }
            do throws(Complaint) {
                return try duration(range)(text)
            } catch {
                throw Complaint(error.message, hint: "\(error.hint), or off")
            }
        }
    }

    /// A whole number with a unit of bytes, such as 10GiB or 500MB.
    static func bytes(_ range: ClosedRange<UInt64>) -> (String) throws(Complaint) -> UInt64 {
        { (text) throws(Complaint) in
            let (number, unit) = split(text)
            guard let number, let scale = byteUnits[unit] else {
                throw Complaint(
                    "\"\(shown(text))\" is not a size",
                    hint: "write a number and a unit (B, KiB, MiB, GiB, TiB, kB, MB, GB, TB), "
                        + "as in 10GiB"
                )
            }
            let (value, overflow) = number.multipliedReportingOverflow(by: scale)
            guard !overflow, range.contains(value) else {
                throw Complaint(
                    "\(shown(text)) is out of range",
                    hint: "write \(range.lowerBound)B to \(range.upperBound)B"
                )
            }
            return value
        }
    }

    /// A whole number with a unit of bits a second, such as 10Mbit.
    static func bitRate(_ range: ClosedRange<UInt64>) -> (String) throws(Complaint) -> UInt64 {
        { (text) throws(Complaint) in
            let (number, unit) = split(text)
            guard let number, let scale = bitUnits[unit] else {
                throw Complaint(
                    "\"\(shown(text))\" is not a rate",
                    hint: "write a number and a unit (kbit, Mbit, Gbit), as in 10Mbit"
                )
            }
            let (value, overflow) = number.multipliedReportingOverflow(by: scale)
            guard !overflow, range.contains(value) else {
                throw Complaint(
                    "\(shown(text)) is out of range",
                    hint: "write \(range.lowerBound / 1000)kbit to \(range.upperBound / 1000)kbit"
                )
            }
            return value
        }
    }

    /// Of bits a second.
    private static let bitUnits: [String: UInt64] = [
        "kbit": 1000, "Mbit": 1_000_000, "Gbit": 1_000_000_000,
    ]

    private static let durationUnits: [String: UInt64] = [
        "ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000,
    ]

    private static let byteUnits: [String: UInt64] = [
        "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
        "kB": 1000, "KB": 1000, "MB": 1_000_000, "GB": 1_000_000_000, "TB": 1_000_000_000_000,
    ]

    private static func magnitude(_ text: String) -> UInt64? {
        let digits = text.filter { $0 != "_" }
        guard let first = text.utf8.first, (48...57).contains(first) else { return nil }
        if digits.hasPrefix("0x") {
            let tail = digits.dropFirst(2)
            return tail.first == "+" || tail.first == "-" ? nil : UInt64(tail, radix: 16)
        }
        return UInt64(digits)
    }

    private static func split(_ text: String) -> (number: UInt64?, unit: String) {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == "_") }
        let unit = text.dropFirst(digits.count).drop { $0 == " " }
        return (magnitude(String(digits)), String(unit))
    }
}

extension NumberText {
    /// A duration in the largest unit that shows it whole: `4h`, `90s`, `500ms`.
    static func describe(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        guard attoseconds == 0 else {
            return "\(seconds * 1000 + attoseconds / 1_000_000_000_000_000)ms"
        }
        for (unit, scale) in [("d", Int64(86_400)), ("h", 3600), ("m", 60)]
        where seconds != 0 && seconds % scale == 0 {
            return "\(seconds / scale)\(unit)"
        }
        return "\(seconds)s"
    }
}

extension Duration {
    /// As the configuration writes it: `4h`, `90s`, `500ms`.
    package var configurationText: String { NumberText.describe(self) }
}
