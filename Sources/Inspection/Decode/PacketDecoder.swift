internal import IPsecCrypto
internal import IPsecPrimitives

/// Shows an ESP packet (RFC 4303 §2).
struct PacketDecoder {
    private let keys: DecodingKeys

    init(keys: DecodingKeys) {
        self.keys = keys
    }

    func decode(_ bytes: ArraySlice<UInt8>) -> DecodedPacket {
        var decoded = DecodedPacket(octets: bytes.count)
        var reader = ByteReader(bytes)
        guard let number = try? reader.readUInt32(), let sequence = try? reader.readUInt32() else {
            decoded.problem = DecodedProblem("shorter than an ESP header", at: 0)
            return decoded
        }
        let spi = SPI(rawValue: number)
        decoded.spi = spi.description
        decoded.sequence = sequence
        let associatedData = bytes.prefix(8)
        let content = reader.readRest()
        let candidates = keys.packetKeys(spi)
        for candidate in candidates {
            // An ESP packet with 32-bit numbers is protected as an Encrypted payload is: SPI and
            // sequence number stand where the IKE header does (RFC 4106 §5, RFC 4303 §3.3.2.1).
            guard
                let plaintext = try? candidate.cipher.open(
                    content,
                    associatedData: associatedData
                )
            else { continue }
            decoded.state = .opened
            decoded.cipher = candidate.name
            PacketDecoder.describe(plaintext, into: &decoded)
            return decoded
        }
        if !candidates.isEmpty { decoded.state = .notAuthentic }
        return decoded
    }

    private static func describe(_ plaintext: [UInt8], into decoded: inout DecodedPacket) {
        guard plaintext.count >= 2, let nextHeader = plaintext.last else {
            decoded.problem = DecodedProblem("no room for the ESP trailer", at: 0)
            return
        }
        let padOctets = Int(plaintext[plaintext.count - 2])
        decoded.padOctets = padOctets
        let end = plaintext.count - 2 - padOctets
        guard end >= 0 else {
            decoded.problem = DecodedProblem("more padding than packet", at: plaintext.count - 2)
            return
        }
        let payload = plaintext[..<end]
        switch nextHeader {
        case 4: decoded.nextHeader = "IPv4"
        case 41: decoded.nextHeader = "IPv6"
        case 59: decoded.nextHeader = "none (dummy packet)"
        default: decoded.nextHeader = IPProtocolName.name(of: nextHeader)
        }
        guard nextHeader == 4 || nextHeader == 41 else { return }
        if let packet = IPPacket(payload) {
            decoded.inner =
                "\(packet.source) > \(packet.destination), "
                + "\(IPProtocolName.name(of: packet.ipProtocol)), \(payload.count) octets"
        } else {
            decoded.problem = DecodedProblem("what is within is no IP packet", at: 0)
        }
    }
}
