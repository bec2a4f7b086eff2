/// The part of a packet that stays before ESP or AH in transport mode (RFC 4303 §3.1.1,
/// RFC 4302 §3.1.1): the IP header with its options, and of IPv6 the extension headers that
/// routers and intermediate destinations look at.
struct TransportHeader {
    /// Octets, at least 20 or 40.
    var length: Int
    /// The protocol of what follows.
    var next: UInt8
    /// Where that protocol is written.
    var nextOffset: Int

    private static let hopByHop: UInt8 = 0
    private static let routing: UInt8 = 43
    private static let destinationOptions: UInt8 = 60

    /// Precondition: `packet` was read from `bytes` and is no fragment.
    @inline(__always)
    init(_ bytes: UnsafeMutableRawPointer, _ packet: InnerPacket) {
        if packet.isV4 {
            length = packet.headerLength
            next = packet.ipProtocol
            nextOffset = 9
        } else {
            length = 40
            next = unsafe bytes.read8(6)
            nextOffset = 6
            if packet.headerLength > 40 { unsafe passExtensions(bytes, packet) }
        }
    }

    /// Destination options belong before ESP only when a routing header follows (RFC 8200 §4.1:
    /// those are for the stations on the way).
    @inline(never)
    private mutating func passExtensions(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket
    ) {
        var walked = self
        while walked.length < packet.headerLength {
            let kind = walked.next
            guard
                kind == TransportHeader.hopByHop || kind == TransportHeader.routing
                    || kind == TransportHeader.destinationOptions
            else { return }
            let octets = (Int(unsafe bytes.read8(walked.length + 1)) + 1) * 8
            walked = unsafe TransportHeader(
                length: walked.length + octets,
                next: bytes.read8(walked.length),
                nextOffset: walked.length
            )
            if kind != TransportHeader.destinationOptions { self = walked }
        }
    }

    private init(length: Int, next: UInt8, nextOffset: Int) {
        self.length = length
        self.next = next
        self.nextOffset = nextOffset
    }

    /// Octets behind the plain header: options and extension headers.
    func extra(isV4: Bool) -> Int { length - (isV4 ? 20 : 40) }
}
