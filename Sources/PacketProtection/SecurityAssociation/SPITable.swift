/// SPI to slot by open addressing; at most half full, so that a search is short.
@safe struct SPITable: ~Copyable {
    private struct Entry {
        var spi: UInt32
        /// -1 where the entry is free.
        var slot: Int32
    }

    private let entries: UnsafeMutablePointer<Entry>
    private let mask: Int

    /// Room for `capacity` SPIs.
    init(capacity: Int) {
        let count = (max(capacity, 1) * 2).nextPowerOfTwo
        mask = count - 1
        unsafe entries = .allocate(capacity: count)
        unsafe entries.initialize(repeating: Entry(spi: 0, slot: -1), count: count)
    }

    deinit { unsafe entries.deallocate() }

    /// The slot of an SPI; -1 for none.
    @inline(__always)
    func find(_ spi: UInt32) -> Int {
        var index = home(spi)
        while unsafe entries[index].slot >= 0 {
            if unsafe entries[index].spi == spi { return Int(unsafe entries[index].slot) }
            index = (index &+ 1) & mask
        }
        return -1
    }

    /// Precondition: the SPI is not in the table and the table is not full.
    mutating func insert(_ spi: UInt32, slot: Int) {
        var index = home(spi)
        while unsafe entries[index].slot >= 0 { index = (index + 1) & mask }
        unsafe entries[index] = Entry(spi: spi, slot: Int32(slot))
    }

    /// Removes an SPI and closes the gap, so that searches for those behind still end well.
    mutating func remove(_ spi: UInt32) {
        var hole = home(spi)
        while true {
            if unsafe entries[hole].slot < 0 { return }
            if unsafe entries[hole].spi == spi { break }
            hole = (hole + 1) & mask
        }
        var index = (hole + 1) & mask
        while unsafe entries[index].slot >= 0 {
            let wanted = unsafe home(entries[index].spi)
            // Whether the entry's home lies cyclically outside of (hole, index].
            if (index - wanted) & mask >= (index - hole) & mask {
                unsafe entries[hole] = entries[index]
                hole = index
            }
            index = (index + 1) & mask
        }
        unsafe entries[hole].slot = -1
    }

    @inline(__always)
    private func home(_ spi: UInt32) -> Int {
        Int((UInt64(spi) &* 0x9e37_79b9_7f4a_7c15) >> 40) & mask
    }
}
