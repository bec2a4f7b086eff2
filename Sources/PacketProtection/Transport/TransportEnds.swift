internal import IPsecPrimitives

/// The two ends of an inbound SA in transport mode, and what a NAT between them does to checksums.
struct TransportEnds {
    /// The peer and this gateway, as the SA was negotiated.
    let source: UInt128
    let destination: UInt128
    /// What to add to the sum of a packet whose checksum was computed with the ends' original
    /// addresses, in the machine's own order; 0 where they are the same.
    let checksumChange: UInt16

    init(_ parameters: InboundSAParameters) {
        source = parameters.path.remote.address.bits
        destination = parameters.path.local.address.bits
        guard parameters.carriage.isTransport, let original = parameters.originalEnds else {
            checksumChange = 0
            return
        }
        // RFC 1624 §3: out with the old words, in with the new.
        var sum: UInt64 = 0
        for address in [original.remote, original.local] {
            sum += TransportEnds.words(address).reduce(0) { $0 + UInt64(~$1) }
        }
        for address in [parameters.path.remote.address, parameters.path.local.address] {
            sum += TransportEnds.words(address).reduce(0) { $0 + UInt64($1) }
        }
        let folded = InternetChecksum.fold(sum)
        checksumChange = folded == 0xffff ? 0 : folded
    }

    /// The 16-bit words of an address in the machine's own order.
    private static func words(_ address: IPAddress) -> [UInt16] {
        (0..<(address.version == .v4 ? 2 : 8)).map {
            UInt16(truncatingIfNeeded: address.bits >> (16 * $0)).bigEndian
        }
    }

    /// Mends the checksum of a packet that was rebuilt with this SA's addresses (RFC 3948 §3.1.2).
    @inline(__always)
    func mendChecksum(_ bytes: UnsafeMutableRawPointer, _ packet: InnerPacket) {
        guard checksumChange != 0, !packet.isLaterFragment else { return }
        let offset: Int
        switch packet.ipProtocol {
        case 6: offset = 16
        case 17, 33, 136: offset = 6
        case 58: offset = 2
        default: return
        }
        let place = packet.headerLength &+ offset
        guard place &+ 2 <= packet.totalLength else { return }
        let old = unsafe bytes.readNative16(place)
        // RFC 768: zero says that there is none.
        if packet.ipProtocol == 17, old == 0 { return }
        let mended = ~InternetChecksum.fold(UInt64(~old) &+ UInt64(checksumChange))
        unsafe bytes.writeNative16(
            OutboundProcessor.transmitted(mended, packet.ipProtocol),
            place
        )
    }
}
