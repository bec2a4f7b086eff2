/// A point on a monotonic clock, in nanoseconds since that clock's own origin.
///
/// Protocol code never reads a clock: an `Instant` is always handed in. The daemon feeds it from
/// `CLOCK_BOOTTIME`, which counts suspension, so that lifetimes hold on a machine that sleeps.
@frozen @usableFromInline
package struct Instant: Hashable, Comparable, Sendable {
    @usableFromInline package var nanoseconds: UInt64

    @inlinable
    package init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    package static let origin = Instant(nanoseconds: 0)
    package static let distantFuture = Instant(nanoseconds: .max)

    @inlinable
    package static func == (left: Instant, right: Instant) -> Bool {
        left.nanoseconds == right.nanoseconds
    }

    @inlinable
    package static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// The instant after `duration`, held within the clock's range.
    package static func + (instant: Instant, duration: Duration) -> Instant {
        let step = duration.wholeNanoseconds
        if step < 0 {
            let back = step.magnitude
            return Instant(nanoseconds: back > instant.nanoseconds ? 0 : instant.nanoseconds - back)
        }
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(UInt64(step))
        return Instant(nanoseconds: overflow ? .max : sum)
    }

    /// The time from `earlier` to `later`; negative when they are the other way round.
    package static func - (later: Instant, earlier: Instant) -> Duration {
        if later >= earlier {
            return .nanoseconds(Int64(clamping: later.nanoseconds - earlier.nanoseconds))
        }
        return .nanoseconds(-Int64(clamping: earlier.nanoseconds - later.nanoseconds))
    }
}

extension Duration {
    /// So many times its thousandth, which is cut to whole attoseconds.
    package func thousandths(_ count: Int) -> Duration {
        Duration(attoseconds: attoseconds / 1000 * Int128(count))
    }

    /// The duration in nanoseconds, cut towards zero and held within 64 bits.
    package var wholeNanoseconds: Int64 {
        // Not by `components`, which divides by so many attoseconds several times.
        Int64(clamping: attoseconds / 1_000_000_000)
    }

    /// The duration in seconds as a number with a fraction, for output only.
    package var inSeconds: Double {
        Double(wholeNanoseconds) / 1e9
    }
}
