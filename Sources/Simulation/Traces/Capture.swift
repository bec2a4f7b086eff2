internal import IKEProtocol
internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection

/// A run's datagrams as a file that Wireshark reads, with the keys in the forms of its tables.
package struct Capture: Sendable {
    /// The pcap file (LINKTYPE_RAW: bare IP packets).
    package private(set) var file: [UInt8] = []
    /// Lines of `ikev2_decryption_table`.
    package private(set) var messageKeys: [String] = []
    /// Lines of `esp_sa`.
    package private(set) var packetKeys: [String] = []

    package init() {
        var writer = ByteWriter(reserving: 24)
        writer.write(UInt32(0xa1b2_c3d4))
        writer.write(UInt16(2))
        writer.write(UInt16(4))
        writer.write(UInt64(0))
        writer.write(UInt32(65_535))
        writer.write(UInt32(101))
        file = writer.bytes
    }

    mutating func record(_ datagram: WireDatagram, at time: UInt64) {
        let packet = WirePacket.octets(
            from: datagram.source,
            to: datagram.destination,
            isUDP: datagram.carrier == .udp,
            payload: datagram.bytes
        )
        var writer = ByteWriter(reserving: 16 + packet.count)
        writer.write(UInt32(truncatingIfNeeded: time / 1_000_000_000))
        writer.write(UInt32(time % 1_000_000_000 / 1000))
        writer.write(UInt32(packet.count))
        writer.write(UInt32(packet.count))
        writer.write(packet)
        file += writer.bytes
    }

    mutating func add(_ exposed: ExposedKeys) {
        let keys = exposed.keys
        let suite = exposed.cipherSuite
        let fields = [
            hexadecimal(exposed.initiatorSPI.rawValue), hexadecimal(exposed.responderSPI.rawValue),
            Capture.text(keys.encryptionInitiator), Capture.text(keys.encryptionResponder),
            "\"\(Capture.messageName(suite))\"", Capture.text(keys.integrityInitiator),
            Capture.text(keys.integrityResponder), "\"\(Capture.integrityName(suite))\"",
        ]
        let line = fields.joined(separator: ",")
        if !messageKeys.contains(line) { messageKeys.append(line) }
    }

    mutating func add(_ child: ChildSAInstallation) {
        guard let suite = CipherSuite(encryption: child.encryption, integrity: child.integrity)
        else { return }
        let version = child.path.local.address.version
        for (spi, keys) in [
            (child.inboundSPI, child.inboundKeys), (child.outboundSPI, child.outboundKeys),
        ] {
            guard
                let line = PacketKeyLine.text(spi: spi, version: version, suite: suite, keys: keys)
            else { continue }
            if !packetKeys.contains(line) { packetKeys.append(line) }
        }
    }

    private static func text(_ secret: SecretBytes) -> String {
        secret.copy().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private func hexadecimal(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static func messageName(_ suite: CipherSuite) -> String {
        let bits = suite.cipherKeyLength * 8
        return switch suite.kind {
        case .aesGCM: "AES-GCM-\(bits) with 16 octet ICV [RFC5282]"
        case .aesCBC: "AES-CBC-\(bits) [RFC3602]"
        case .aesCTR: "AES-CTR-\(bits) [RFC5930]"
        default: "ChaCha20-Poly1305 [RFC7634]"
        }
    }

    private static func integrityName(_ suite: CipherSuite) -> String {
        let names: [IntegrityAlgorithm: String] = [
            .hmacSHA256_128: "256_128", .hmacSHA384_192: "384_192", .hmacSHA512_256: "512_256",
        ]
        return names[suite.integrity].map { "HMAC_SHA2_\($0) [RFC4868]" } ?? "NONE [RFC4306]"
    }
}
