internal import CPacketCipher

// Where the SAs are so many that the processor's caches do not hold them, what a batch of receives
// needs of memory is asked for before the first is looked at.
extension InboundProcessor {
    /// Whether `announce` is worth its time.
    package var isCrowded: Bool { associations.count > crowd }

    /// Tells of ESP that will be received: by UDP with or without a non-ESP marker, or raw. At most 64
    /// before `prepareAnnounced` are heeded.
    @inline(__always)
    package mutating func announce(_ bytes: UnsafeMutableRawPointer, byteCount: Int) {
        guard byteCount >= 8, announcedCount < InboundProcessor.maximumAnnounced else { return }
        let spi = unsafe bytes.read32(0)
        unsafe announced[announcedCount] = spi
        announcedCount &+= 1
        spis.prefetch(spi)
    }

    /// Asks for the SAs of what was announced, and for what these refer to.
    package mutating func prepareAnnounced() {
        var found = 0
        for index in 0..<announcedCount {
            let slot = spis.find(unsafe announced[index])
            guard slot >= 0 else { continue }
            associations.prefetch(slot)
            keys.prefetchPlace(slot)
            unsafe announced[found] = UInt32(slot)
            found &+= 1
        }
        for index in 0..<found {
            let association = unsafe associations.elements + Int(announced[index])
            unsafe association.pointee.window.prefetch()
        }
        announcedCount = 0
    }

    static let maximumAnnounced = 64
}
