/// How long what fails rests before it is tried again.
enum BackOff {
    /// 1, 2, 4 … seconds after failures in a row, a minute at most.
    static func wait(after failures: Int) -> Duration {
        .seconds(min(1 << min(max(failures - 1, 0), 6), 60))
    }
}
