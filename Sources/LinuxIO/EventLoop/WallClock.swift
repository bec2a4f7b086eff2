internal import Glibc

/// The time of day, for people: it may jump, and nothing is decided by it.
package enum WallClock {
    /// UTC.
    package static func secondsSince1970() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
