internal import Glibc
internal import IPsecPrimitives

/// The time of day, for people: it may jump, and nothing is decided by it.
package enum WallClock {
    /// UTC.
    package static func secondsSince1970() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// What to add to times of ``BootClock`` to tell them to people, the same as long as nobody sets the
/// wall clock: one event has one time, whoever is told of it, and when.
package struct WallClockOffset: Sendable {
    /// Seconds by which the clocks may drift apart.
    private static let tolerance = 0.001

    /// Seconds.
    package private(set) var seconds: Double

    package init() {
        seconds = Self.measured().seconds
    }

    /// Follows the wall clock when it has been set, or has drifted by more than a millisecond.
    package mutating func renew() {
        let (now, uncertainty) = Self.measured()
        if abs(now - seconds) > Self.tolerance + uncertainty { seconds = now }
    }

    /// Between two looks at the one clock lies the look at the other, however long the kernel lets the
    /// process wait in between.
    private static func measured() -> (seconds: Double, uncertainty: Double) {
        let before = BootClock.now()
        let wall = WallClock.secondsSince1970()
        let uncertainty = Double((BootClock.now() - before).wholeNanoseconds) / 2e9
        return (wall - Double(before.nanoseconds) / 1e9 - uncertainty, uncertainty)
    }
}
