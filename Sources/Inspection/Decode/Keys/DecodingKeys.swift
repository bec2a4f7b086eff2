package import IPsecCrypto
package import IPsecPrimitives

/// The keys of recorded SAs, as Wireshark's tables hold them.
package struct DecodingKeys: Sendable {
    package struct MessageKeys: Sendable {
        package let name: String
        package let fromInitiator: IKECipher
        package let fromResponder: IKECipher
    }

    package struct PacketKeys: Sendable {
        package let name: String
        package let suite: CipherSuite
        package let keys: ESPKeys
        package let cipher: IKECipher
    }

    struct SPIPair: Hashable, Sendable {
        let initiator: IKESPI
        let responder: IKESPI
    }

    /// One IKE SA has several keys in succession where IKE_INTERMEDIATE is used (RFC 9242).
    private var messages: [SPIPair: [MessageKeys]] = [:]
    private var packets: [SPI: [PacketKeys]] = [:]
    /// Lines that were not understood, with the reason.
    package private(set) var problems: [String] = []

    package init() {}

    package var isEmpty: Bool { messages.isEmpty && packets.isEmpty }

    package func messageKeys(initiator: IKESPI, responder: IKESPI) -> [MessageKeys] {
        messages[SPIPair(initiator: initiator, responder: responder)] ?? []
    }

    package func packetKeys(_ spi: SPI) -> [PacketKeys] { packets[spi] ?? [] }

    /// Adds the lines of an `ikev2_decryption_table`: SPIs, SK_ei, SK_er, encryption, SK_ai,
    /// SK_ar, integrity.
    package mutating func addMessageTable(_ text: String) {
        forEachLine(of: text) { keys, fields in
            guard fields.count == 8 else { return "8 fields wanted, \(fields.count) found" }
            guard let initiator = UInt64(fields[0], radix: 16),
                let responder = UInt64(fields[1], radix: 16)
            else { return "the SPIs are not hexadecimal" }
            let name = DecodingKeys.name(fields[4], fields[7])
            guard
                let fromInitiator = DecodingKeys.suite(
                    fields[4],
                    key: fields[2],
                    integrity: fields[7],
                    integrityKey: fields[5]
                ).flatMap({ DecodingKeys.cipher($0, $1) }),
                let fromResponder = DecodingKeys.suite(
                    fields[4],
                    key: fields[3],
                    integrity: fields[7],
                    integrityKey: fields[6]
                ).flatMap({ DecodingKeys.cipher($0, $1) })
            else { return "\(name) with these keys is not supported" }
            let pair = SPIPair(
                initiator: IKESPI(rawValue: initiator),
                responder: IKESPI(rawValue: responder)
            )
            keys.messages[pair, default: []].append(
                MessageKeys(
                    name: name,
                    fromInitiator: fromInitiator,
                    fromResponder: fromResponder
                )
            )
            return nil
        }
    }

    /// Adds the lines of an `esp_sa` table: IP version, source, destination, SPI, encryption, key,
    /// integrity, key. Addresses are not looked at: a SPI is enough to try a key.
    package mutating func addPacketTable(_ text: String) {
        forEachLine(of: text) { keys, fields in
            guard fields.count >= 8 else { return "8 fields wanted, \(fields.count) found" }
            guard let spi = UInt32(DecodingKeys.digits(fields[3]), radix: 16) else {
                return "the SPI is not hexadecimal"
            }
            let name = DecodingKeys.name(fields[4], fields[6])
            guard
                let (suite, espKeys) = DecodingKeys.suite(
                    fields[4],
                    key: fields[5],
                    integrity: fields[6],
                    integrityKey: fields[7]
                ),
                let cipher = DecodingKeys.cipher(suite, espKeys)
            else { return "\(name) with these keys is not supported" }
            keys.packets[SPI(rawValue: spi), default: []].append(
                PacketKeys(name: name, suite: suite, keys: espKeys, cipher: cipher)
            )
            return nil
        }
    }

    private mutating func forEachLine(
        of text: String,
        _ add: (inout DecodingKeys, [String]) -> String?
    ) {
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() where !line.hasPrefix("#") {
            guard line.contains(where: { !$0.isWhitespace }) else { continue }
            if let problem = add(&self, CSVLine.fields(of: line)) {
                problems.append("line \(index + 1): \(problem)")
            }
        }
    }

    private static func name(_ encryption: String, _ integrity: String) -> String {
        let names = [encryption, integrity].map {
            String($0.prefix { $0 != "[" }.reversed().drop { $0 == " " }.reversed())
        }
        return ["", "NONE", "NULL"].contains(names[1]) ? names[0] : names.joined(separator: ", ")
    }

    private static func digits(_ field: String) -> Substring {
        field.hasPrefix("0x") ? field.dropFirst(2) : field[...]
    }

    private static func suite(
        _ encryption: String,
        key: String,
        integrity: String,
        integrityKey: String
    ) -> (CipherSuite, ESPKeys)? {
        let key = HexText.bytes(of: String(digits(key))) ?? []
        let integrityKey = HexText.bytes(of: String(digits(integrityKey))) ?? []
        guard let transform = KeyAlgorithmName.encryption(encryption, keyOctets: key.count),
            let integrity = KeyAlgorithmName.integrity(integrity),
            let suite = CipherSuite(encryption: transform, integrity: integrity)
        else { return nil }
        let keys = ESPKeys(encryption: SecretBytes(key), integrity: SecretBytes(integrityKey))
        return (suite, keys)
    }

    private static func cipher(_ suite: CipherSuite, _ keys: ESPKeys) -> IKECipher? {
        try? IKECipher(
            suite: suite,
            encryptionKey: keys.encryption,
            integrityKey: keys.integrity
        )
    }
}
