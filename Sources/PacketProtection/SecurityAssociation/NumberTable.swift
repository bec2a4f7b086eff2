internal import CPacketCipher

/// Numbers that name something, each with its place in a table: open addressing, at most half full,
/// so that a search is short. It grows with what it holds.
@safe struct NumberTable: ~Copyable {
    private struct Entry {
        var number: UInt32
        /// -1 where the entry is free.
        var place: Int32
    }

    private var entries: UnsafeMutablePointer<Entry>
    private var mask: Int
    private(set) var count = 0

    init() {
        unsafe entries = NumberTable.free(16)
        mask = 15
    }

    deinit { unsafe entries.deallocate() }

    private static func free(_ count: Int) -> UnsafeMutablePointer<Entry> {
        let entries = UnsafeMutablePointer<Entry>.allocate(capacity: count)
        unsafe entries.initialize(repeating: Entry(number: 0, place: -1), count: count)
        return unsafe entries
    }

    /// The place of a number; -1 for none.
    @inline(__always)
    func find(_ number: UInt32) -> Int {
        var index = home(number)
        while unsafe entries[index].place >= 0 {
            if unsafe entries[index].number == number { return Int(unsafe entries[index].place) }
            index = (index &+ 1) & mask
        }
        return -1
    }

    /// Asks for the memory that `find` will read.
    @inline(__always)
    func prefetch(_ number: UInt32) {
        unsafe cygnet_prefetch(entries + home(number), MemoryLayout<Entry>.stride)
    }

    /// Precondition: the number is not in the table, and the place is not negative.
    mutating func insert(_ number: UInt32, _ place: Int) {
        if (count + 1) * 2 > mask + 1 { grow() }
        count += 1
        put(Entry(number: number, place: Int32(place)))
    }

    private func put(_ entry: Entry) {
        var index = home(entry.number)
        while unsafe entries[index].place >= 0 { index = (index + 1) & mask }
        unsafe entries[index] = entry
    }

    private mutating func grow() {
        let old = unsafe entries
        let oldCount = mask + 1
        unsafe entries = NumberTable.free(oldCount * 2)
        mask = oldCount * 2 - 1
        for index in 0..<oldCount where unsafe old[index].place >= 0 { unsafe put(old[index]) }
        unsafe old.deallocate()
    }

    /// Removes a number and closes the gap, so that searches for those behind still end well.
    mutating func remove(_ number: UInt32) {
        var hole = home(number)
        while true {
            if unsafe entries[hole].place < 0 { return }
            if unsafe entries[hole].number == number { break }
            hole = (hole + 1) & mask
        }
        count -= 1
        var index = (hole + 1) & mask
        while unsafe entries[index].place >= 0 {
            let wanted = unsafe home(entries[index].number)
            // Whether the entry's home lies cyclically outside of (hole, index].
            if (index - wanted) & mask >= (index - hole) & mask {
                unsafe entries[hole] = entries[index]
                hole = index
            }
            index = (index + 1) & mask
        }
        unsafe entries[hole].place = -1
    }

    @inline(__always)
    private func home(_ number: UInt32) -> Int {
        Int((UInt64(number) &* 0x9e37_79b9_7f4a_7c15) >> 32) & mask
    }
}
