package import IPsecPrimitives

/// The IP packet that carries a datagram, for captures: as a socket made it, as far as that is known.
///
/// Identification and checksums are zero, and the hop limit is 64: the system chooses those, and who
/// reads a capture does not mind.
package enum WirePacket {
    private static let hopLimit: UInt8 = 64
    private static let protocolUDP: UInt8 = 17
    private static let protocolESP: UInt8 = 50

    /// - Parameters:
    ///   - isUDP: ESP or IKE in UDP, by the ports of the ends; else ESP behind the IP header.
    ///   - length: octets that the datagram had, where `payload` is only its beginning.
    package static func octets(
        from source: Endpoint,
        to destination: Endpoint,
        isUDP: Bool,
        payload: some Collection<UInt8>,
        length: Int? = nil
    ) -> [UInt8] {
        var writer = ByteWriter(reserving: payload.count + 48)
        let number = isUDP ? protocolUDP : protocolESP
        let whole = max(length ?? payload.count, payload.count) + (isUDP ? 8 : 0)
        switch source.address.version {
        case .v4:
            writer.write([0x45, 0])
            writer.write(UInt16(truncatingIfNeeded: 20 + whole))
            writer.write([0, 0, 0, 0, hopLimit, number, 0, 0])
        case .v6:
            writer.write(UInt32(0x6000_0000))
            writer.write(UInt16(truncatingIfNeeded: whole))
            writer.write([number, hopLimit])
        }
        writer.write(source.address.bytes)
        writer.write(destination.address.bytes)
        if isUDP {
            writer.write(source.port)
            writer.write(destination.port)
            writer.write(UInt16(truncatingIfNeeded: whole))
            writer.write(UInt16(0))
        }
        writer.write(Array(payload))
        return writer.bytes
    }
}
