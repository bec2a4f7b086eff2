internal import Configuration
internal import ConnectionControl
internal import IPsecCrypto
internal import IPsecPrimitives

/// Reads the keys of tunnels whose keys are manual, each from a file of its own.
enum ManualKeyFiles {
    /// Adds to `refused` what cannot be used.
    static func load(
        _ configuration: GatewayConfiguration,
        _ refused: inout [ConnectionSecrets.Refused]
    ) -> ManualKeys {
        var keys = ManualKeys()
        for tunnel in configuration.manualTunnels {
            guard let manual = tunnel.manualKeys,
                let proposal = (tunnel.espProposals.first ?? tunnel.carriage.ahProposals.first)?
                    .value
            else { continue }
            let inbound = load(manual.inbound, proposal, &refused)
            let outbound = load(manual.outbound, proposal, &refused)
            guard let inbound, let outbound else { continue }
            keys[tunnel.path] = ManualKeys.Pair(inbound: inbound, outbound: outbound)
        }
        return keys
    }

    /// One direction; nil, and noted, where a file cannot be used.
    private static func load(
        _ half: ManualKeyConfiguration.Half,
        _ proposal: Proposal,
        _ refused: inout [ConnectionSecrets.Refused]
    ) -> ESPKeys? {
        let encryption = proposal.encryption.first
        let integrity = proposal.transforms(of: .integrity).first
        var cipherKey: SecretBytes? = SecretBytes([])
        if let file = half.encryptionKeyFile, let encryption {
            cipherKey = load(file, for: encryption, &refused)
            if let key = cipherKey,
                EncryptionAlgorithm(rawValue: encryption.identifier) == .tripleDESCBC,
                !isSound(key)
            {
                refuse(
                    file,
                    "the key in \(file.value) repeats an eight-byte part, which makes 3des no better "
                        + "than des",
                    &refused
                )
                cipherKey = nil
            }
        }
        let integrityKey = integrity.flatMap { load(half.integrityKeyFile, for: $0, &refused) }
        guard let cipherKey, let integrityKey else { return nil }
        return ESPKeys(encryption: cipherKey, integrity: integrityKey)
    }

    private static func load(
        _ file: Located<String>,
        for transform: Transform,
        _ refused: inout [ConnectionSecrets.Refused]
    ) -> SecretBytes? {
        let key: SecretBytes
        do throws(SecretFile.Refusal) {
            key = try SecretFile.load(file.value)
        } catch {
            refused.append(ConnectionSecrets.Refused(location: file.location, refusal: error))
            return nil
        }
        let wanted = keyLength(of: transform)
        guard key.count == wanted else {
            let word = ProposalKeyword.name(of: transform)
            refuse(
                file,
                "the key in \(file.value) has \(key.count) bytes, and \(word) has keys of \(wanted)",
                remedy:
                    "write 0x and \(2 * wanted) hexadecimal digits into it, the same at both ends: "
                    + "(umask 077; echo 0x$(openssl rand -hex \(wanted)) > \(file.value))",
                &refused
            )
            return nil
        }
        return key
    }

    private static func refuse(
        _ file: Located<String>,
        _ reason: String,
        remedy: String = "draw another at random",
        _ refused: inout [ConnectionSecrets.Refused]
    ) {
        refused.append(
            ConnectionSecrets.Refused(
                location: file.location,
                refusal: SecretFile.Refusal(reason: reason, remedy: remedy)
            )
        )
    }

    /// Octets of key.
    private static func keyLength(of transform: Transform) -> Int {
        guard transform.type == .encryption else {
            return IntegrityAlgorithm(rawValue: transform.identifier).keyLength
        }
        // Those that keys may stay with have no salt, and any integrity does for asking.
        return CipherSuite(encryption: transform, integrity: .hmacSHA256_128)?.encryptionKeyLength
            ?? 0
    }

    /// RFC 2451 §2.3: keys whose first or last two parts are equal make 3DES the same as DES:
    /// "Implementers MUST reject keys that exhibit this property." The lowest bit of each octet is
    /// parity.
    private static func isSound(_ key: SecretBytes) -> Bool {
        guard key.count == 24 else { return true }
        var bytes = key.copy().map { $0 & 0xFE }
        defer { wipe(&bytes) }
        let (first, middle, last) = (bytes[0..<8], bytes[8..<16], bytes[16..<24])
        return !first.elementsEqual(middle) && !middle.elementsEqual(last)
    }
}
