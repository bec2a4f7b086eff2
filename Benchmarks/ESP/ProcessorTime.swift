internal import Glibc

/// What a thread has of a processor, which other processes do not lengthen but by what they take of
/// the caches and of the memory.
enum ProcessorTime {
    /// Seconds.
    static func measure(_ body: () throws -> Void) rethrows -> Double {
        let before = now
        try body()
        return now - before
    }

    private static var now: Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
