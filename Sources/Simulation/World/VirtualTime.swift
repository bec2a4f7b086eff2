internal import IPsecPrimitives

// Virtual time in nanoseconds: plain numbers, because the simulator reckons with time all the time.
extension UInt64 {
    static func seconds(_ count: Int) -> UInt64 { UInt64(count) * 1_000_000_000 }
    static func milliseconds(_ count: Int) -> UInt64 { UInt64(count) * 1_000_000 }
    static func microseconds(_ count: Int) -> UInt64 { UInt64(count) * 1_000 }
}

enum VirtualTime {
    /// Where every run begins; not zero, which elsewhere stands for never.
    static let start: UInt64 = .seconds(1000)

    /// Seconds since the start, for people.
    static func text(_ time: UInt64) -> String {
        let milliseconds = (time &- start) / 1_000_000
        let rest = milliseconds % 1000
        return "\(milliseconds / 1000).\(rest < 10 ? "00" : rest < 100 ? "0" : "")\(rest) s"
    }
}
