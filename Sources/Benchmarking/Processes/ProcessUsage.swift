internal import Glibc

/// What this process has used so far.
struct ProcessUsage {
    /// User and system time, in microseconds.
    let microseconds: Int
    let residentBytes: Int

    static func now() -> ProcessUsage {
        var usage = rusage()
        unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        let seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec
        return ProcessUsage(
            microseconds: seconds * 1_000_000 + Int(usage.ru_utime.tv_usec)
                + Int(usage.ru_stime.tv_usec),
            residentBytes: resident()
        )
    }

    /// CPU time of this thread.
    static func threadNanoseconds() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// The second number of `statm`, in pages.
    private static func resident() -> Int {
        let file = unsafe open("/proc/self/statm", O_RDONLY)
        guard file >= 0 else { return 0 }
        defer { close(file) }
        var text = [UInt8](repeating: 0, count: 128)
        let count = unsafe read(file, &text, text.count)
        guard count > 0 else { return 0 }
        let words = text[..<count].split(separator: UInt8(ascii: " "))
        guard words.count > 1 else { return 0 }
        let pages = words[1].reduce(0) { $0 * 10 + Int($1 &- 48) }
        return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
}
