internal import IKEProtocol
internal import IPsecCrypto
internal import IPsecPrimitives

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
        let packet = Capture.packet(datagram)
        var writer = ByteWriter(reserving: 16 + packet.count)
        writer.write(UInt32(truncatingIfNeeded: time / 1_000_000_000))
        writer.write(UInt32(time % 1_000_000_000 / 1000))
        writer.write(UInt32(packet.count))
        writer.write(UInt32(packet.count))
        writer.write(packet)
        file += writer.bytes
    }

    /// Checksums are zero: UDP over IPv4 allows it, and Wireshark does not mind the others.
    private static func packet(_ datagram: WireDatagram) -> [UInt8] {
        var writer = ByteWriter(reserving: datagram.packetOctets)
        let number: UInt8 = datagram.carrier == .udp ? 17 : 50
        let length = datagram.bytes.count + (datagram.carrier == .udp ? 8 : 0)
        switch datagram.source.address.version {
        case .v4:
            writer.write([0x45, 0])
            writer.write(UInt16(truncatingIfNeeded: 20 + length))
            writer.write([0, 0, 0, 0, 64, number, 0, 0])
        case .v6:
            writer.write(UInt32(0x6000_0000))
            writer.write(UInt16(truncatingIfNeeded: length))
            writer.write([number, 64])
        }
        writer.write(datagram.source.address.bytes)
        writer.write(datagram.destination.address.bytes)
        if datagram.carrier == .udp {
            writer.write(datagram.source.port)
            writer.write(datagram.destination.port)
            writer.write(UInt16(truncatingIfNeeded: length))
            writer.write(UInt16(0))
        }
        writer.write(datagram.bytes)
        return writer.bytes
    }

    mutating func add(_ exposed: ExposedKeys) {
        let keys = exposed.keys
        let suite = exposed.cipherSuite
        let fields = [
            hexadecimal(exposed.initiatorSPI.rawValue), hexadecimal(exposed.responderSPI.rawValue),
            Capture.text(keys.encryptionInitiator), Capture.text(keys.encryptionResponder),
            "\"\(Capture.messageName(suite))\"", Capture.text(keys.integrityInitiator),
            Capture.text(keys.integrityResponder), "\"\(Capture.integrityName(suite, "_"))\"",
        ]
        let line = fields.joined(separator: ",")
        if !messageKeys.contains(line) { messageKeys.append(line) }
    }

    mutating func add(_ child: ChildSAInstallation) {
        guard let suite = CipherSuite(encryption: child.encryption, integrity: child.integrity)
        else { return }
        let version = child.path.local.address.version == .v4 ? "IPv4" : "IPv6"
        for (spi, keys) in [
            (child.inboundSPI, child.inboundKeys), (child.outboundSPI, child.outboundKeys),
        ] {
            let fields = [
                version, "*", "*", "0x" + hexadecimal(UInt64(spi.rawValue)).suffix(8),
                Capture.packetName(suite), "0x" + Capture.text(keys.encryption),
                Capture.integrityName(suite, "-"),
                keys.integrity.count == 0 ? "" : "0x" + Capture.text(keys.integrity),
            ]
            let line = fields.map { "\"\($0)\"" }.joined(separator: ",")
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

    private static func packetName(_ suite: CipherSuite) -> String {
        switch suite.kind {
        case .aesGCM: "AES-GCM with 16 octet ICV [RFC4106]"
        case .aesCBC: "AES-CBC [RFC3602]"
        case .aesCTR: "AES-CTR [RFC3686]"
        default: "ChaCha20 with Poly1305 [RFC7634]"
        }
    }

    /// IKE's table and ESP's spell them differently.
    private static func integrityName(_ suite: CipherSuite, _ dash: String) -> String {
        let names: [IntegrityAlgorithm: String] = [
            .hmacSHA256_128: "256_128", .hmacSHA384_192: "384_192", .hmacSHA512_256: "512_256",
        ]
        guard let name = names[suite.integrity] else {
            return dash == "_" ? "NONE [RFC4306]" : "NULL"
        }
        return dash == "_"
            ? "HMAC_SHA2_\(name) [RFC4868]"
            : "HMAC-SHA-\(name.replacing("_", with: "-")) [RFC4868]"
    }
}
