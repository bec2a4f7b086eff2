internal import IPsecPrimitives

/// Which remainder the SPIs of inbound Child SAs are to have, where the packet path tells its workers
/// apart by it.
package struct SPISteering {
    /// By which SPIs are divided.
    let divisor: UInt32
    private let remainder: (_ connection: String, _ child: String, _ slot: Int) -> UInt32?

    /// - Parameters:
    ///   - divisor: at least 1, and far less than there are SPIs.
    ///   - remainder: for a child, and its place among those of the same traffic (RFC 9611); nil where
    ///     any will do.
    package init(
        divisor: UInt32,
        remainder: @escaping (_ connection: String, _ child: String, _ slot: Int) -> UInt32?
    ) {
        self.divisor = max(divisor, 1)
        self.remainder = remainder
    }

    /// An SPI of the right remainder near a random one, which may be reserved.
    func steered(_ random: SPI, connection: String, child: String, slot: Int) -> SPI {
        guard divisor > 1, let wanted = remainder(connection, child, slot) else { return random }
        let base = random.rawValue - random.rawValue % divisor
        let (value, isOver) = base.addingReportingOverflow(wanted % divisor)
        return isOver ? SPI(rawValue: 0) : SPI(rawValue: value)
    }
}
