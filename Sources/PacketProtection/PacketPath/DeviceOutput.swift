/// Packets for TUN devices, each behind its virtio_net_hdr, in one slab.
@safe struct DeviceOutput: ~Copyable {
    let slab: UnsafeMutableRawPointer
    let writes: UnsafeMutablePointer<DeviceWrite>
    private(set) var writeCount = 0
    private let capacity: Int
    private let maximumWrites: Int
    private var used = 0

    init(octets: Int, writes maximumWrites: Int) {
        capacity = octets
        self.maximumWrites = maximumWrites
        unsafe slab = .allocate(byteCount: octets, alignment: 64)
        unsafe writes = .allocate(capacity: maximumWrites)
    }

    deinit {
        unsafe slab.deallocate()
        unsafe writes.deallocate()
    }

    var free: Int { capacity - used }
    var freeWrites: Int { maximumWrites - writeCount }

    /// Room for a packet of `octets` and its header; nil when there is none. What it returns is
    /// the header's offset.
    ///
    /// - Parameter others: packets that have room already and are not handed over yet.
    @inline(__always)
    mutating func reserve(_ octets: Int, besides others: Int = 0) -> Int? {
        let whole = octets &+ OffloadHeader.length
        guard capacity &- used >= whole, maximumWrites &- writeCount > others else { return nil }
        defer { used &+= whole }
        return used
    }

    /// Gives back what lies behind `end`, if that was reserved last.
    @inline(__always)
    mutating func shrink(reservedEnd: Int, to end: Int) {
        if used == reservedEnd { used = end }
    }

    /// Hands over a packet of `octets` whose header lies at `offset`.
    @inline(__always)
    mutating func commit(_ offset: Int, octets: Int, device: UInt16) {
        guard writeCount < maximumWrites else { return }
        unsafe writes[writeCount] = DeviceWrite(
            offset: offset,
            byteCount: octets &+ OffloadHeader.length,
            device: DeviceNumber(rawValue: device)
        )
        writeCount &+= 1
    }

    mutating func reset() {
        used = 0
        writeCount = 0
    }
}
