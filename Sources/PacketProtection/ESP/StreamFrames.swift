/// Finds the messages in octets of a TCP stream that has begun with its prefix (RFC 9329 §3).
@safe package struct StreamFrames {
    package enum Frame: Equatable {
        /// ESP: `count` octets from `offset`, its length before it left out.
        case packet(offset: Int, count: Int)
        /// IKE, without its non-ESP marker.
        case message(offset: Int, count: Int)
        /// RFC 9329 §6.6: one octet 0xFF, which says nothing.
        case keepalive
        /// What lies behind `offset` waits for its rest.
        case incomplete
        /// A length that cannot be, or content that is neither: there is no way back into step.
        case fault
    }

    private let bytes: UnsafeMutableRawPointer
    private let count: Int
    /// Octets that are dealt with.
    package private(set) var offset = 0

    /// Octets of the length before each message, which counts itself.
    package static let lengthOctets = 2
    /// What a length of 16 bits can name, itself included.
    package static let largest = 65_535
    private static let markerOctets = 4

    package init(_ bytes: UnsafeMutableRawPointer, count: Int) {
        unsafe self.bytes = bytes
        self.count = count
    }

    package mutating func next() -> Frame {
        while count &- offset >= StreamFrames.lengthOctets {
            let length = Int(unsafe bytes.read16(offset))
            if length == StreamFrames.lengthOctets {
                // RFC 9329 §3: such empty messages "MUST be silently ignored".
                offset &+= length
                continue
            }
            guard length > StreamFrames.lengthOctets else { return .fault }
            guard length <= count &- offset else { return .incomplete }
            let start = offset &+ StreamFrames.lengthOctets
            offset &+= length
            return content(start, length &- StreamFrames.lengthOctets)
        }
        return .incomplete
    }

    private func content(_ start: Int, _ size: Int) -> Frame {
        guard size > StreamFrames.markerOctets else {
            return unsafe size == 1 && bytes.read8(start) == 0xff ? .keepalive : .fault
        }
        return unsafe bytes.read32(start) != 0
            ? .packet(offset: start, count: size)
            : .message(
                offset: start &+ StreamFrames.markerOctets,
                count: size &- StreamFrames.markerOctets
            )
    }
}
