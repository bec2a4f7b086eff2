/// Counts of dropped packets, one a reason.
@safe struct DropCounters: ~Copyable {
    private let counts: UnsafeMutablePointer<UInt64>

    init() {
        unsafe counts = .allocate(capacity: DropReason.allCases.count)
        unsafe counts.initialize(repeating: 0, count: DropReason.allCases.count)
    }

    deinit { unsafe counts.deallocate() }

    @inline(__always)
    func count(_ reason: DropReason, _ packets: Int = 1) {
        unsafe counts[Int(reason.rawValue)] &+= UInt64(packets)
    }

    func current(_ reason: DropReason) -> UInt64 { unsafe counts[Int(reason.rawValue)] }

    var copy: [UInt64] {
        (0..<DropReason.allCases.count).map { unsafe counts[$0] }
    }
}
