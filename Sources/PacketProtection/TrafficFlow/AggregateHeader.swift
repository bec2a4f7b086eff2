/// What stands before the data blocks of an AGGFRAG payload (RFC 9347 §6.1).
struct AggregateHeader: Equatable {
    /// IP protocol number, as ESP's next header.
    static let nextHeader: UInt8 = 144
    /// Octets of the format without congestion control, the one that is sent.
    static let plainOctets = 4
    static let congestionOctets = 24
    static let plainType: UInt8 = 0
    static let congestionType: UInt8 = 1

    /// Octets of the header.
    let octets: Int
    /// Octets of data blocks that belong to a packet which began earlier; may lie behind the payload.
    let blockOffset: Int

    init(blockOffset: Int) {
        octets = AggregateHeader.plainOctets
        self.blockOffset = blockOffset
    }

    /// Nil where the payload is too short, or of a sub-type that is not known.
    ///
    /// What a peer says of congestion is for a sender that adapts its rate, and not looked at.
    @inline(__always)
    init?(_ bytes: UnsafeMutableRawPointer, count: Int) {
        guard count >= AggregateHeader.plainOctets else { return nil }
        switch unsafe bytes.read8(0) {
        case AggregateHeader.plainType: octets = AggregateHeader.plainOctets
        case AggregateHeader.congestionType:
            guard count >= AggregateHeader.congestionOctets else { return nil }
            octets = AggregateHeader.congestionOctets
        default: return nil
        }
        blockOffset = Int(unsafe bytes.read16(2))
    }

    /// Precondition: there are `plainOctets` at `bytes`, and the offset has 16 bits.
    func write(to bytes: UnsafeMutableRawPointer) {
        unsafe bytes.write16(0, 0)
        unsafe bytes.write16(UInt16(truncatingIfNeeded: blockOffset), 2)
    }
}

/// One of what follows the header (RFC 9347 §6.1.3).
enum DataBlock: Equatable {
    /// To the end of the payload.
    case padding
    /// Octets of a packet, by its own account.
    case packet(octets: Int, isV4: Bool)
    /// Too little of it to know.
    case unknown
    /// No block begins so, or it names a length that no packet has.
    case malformed

    /// RFC 9347 §6.1.3.1, §6.1.3.2: where the length stands.
    static let octetsToLengthV4 = 4
    static let octetsToLengthV6 = 6
    /// What the packet path carries.
    static let largestPacket = 65_535

    /// Precondition: `count` is above 0.
    @inline(__always)
    init(_ bytes: UnsafeMutableRawPointer, count: Int) {
        switch unsafe bytes.read8(0) >> 4 {
        case 0: self = .padding
        case 4:
            guard count >= DataBlock.octetsToLengthV4 else {
                self = .unknown
                return
            }
            let octets = Int(unsafe bytes.read16(2))
            self = octets >= 20 ? .packet(octets: octets, isV4: true) : .malformed
        case 6:
            guard count >= DataBlock.octetsToLengthV6 else {
                self = .unknown
                return
            }
            let octets = 40 &+ Int(unsafe bytes.read16(4))
            self =
                octets <= DataBlock.largestPacket
                ? .packet(octets: octets, isV4: false) : .malformed
        default: self = .malformed
        }
    }
}
