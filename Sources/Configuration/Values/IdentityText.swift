internal import IPsecPrimitives

/// Identities as the configuration writes them.
enum IdentityText {
    /// An address, a mail address, a domain name, or after `keyid:`, `fqdn:`, `email:` what the
    /// prefix says; `any` for a remote end.
    static func parse(
        _ text: String,
        mayBeAny: Bool
    ) throws(Complaint) -> IdentityConfiguration {
        if text == "any" || text == "%any" {
            guard mayBeAny else {
                throw Complaint(
                    "this gateway cannot be any identity",
                    hint: "write the name that the peer expects, as in a.example"
                )
            }
            return .any
        }
        if text.hasPrefix("keyid:") { return .keyID(try keyID(String(text.dropFirst(6)))) }
        if text.hasPrefix("fqdn:") { return .fullyQualifiedDomainName(try name(text, cut: 5)) }
        if text.hasPrefix("email:") { return .mailAddress(try mail(String(text.dropFirst(6)))) }
        if let address = IPAddress(text) { return .address(address) }
        // As in other suites, a leading @ says that what follows is a name, whatever it looks like.
        if text.hasPrefix("@") { return .fullyQualifiedDomainName(try name(text, cut: 1)) }
        if text.contains("@") { return .mailAddress(try mail(text)) }
        return .fullyQualifiedDomainName(try name(text, cut: 0))
    }

    private static func name(_ text: String, cut: Int) throws(Complaint) -> String {
        let name = String(text.dropFirst(cut))
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        let looksLikeAddress = labels.count == 4 && labels.allSatisfy { UInt($0) != nil }
        guard name.utf8.count <= 253, labels.allSatisfy(isLabel), !(looksLikeAddress && cut == 0)
        else {
            throw Complaint(
                "\"\(shown(text))\" is not an identity",
                hint: "write a name (a.example), an address, a mail address (a@b.example) "
                    + "or keyid:…"
            )
        }
        return name
    }

    private static func isLabel(_ label: Substring) -> Bool {
        (1...63).contains(label.utf8.count)
            && label.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                default: byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
                }
            }
    }

    private static func mail(_ text: String) throws(Complaint) -> String {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        let isPrintable = text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
        guard parts.count == 2, !parts[0].isEmpty, isPrintable, text.utf8.count <= 320,
            parts[1].split(separator: ".", omittingEmptySubsequences: false).allSatisfy(isLabel)
        else {
            throw Complaint(
                "\"\(shown(text))\" is not a mail address",
                hint: "write one, as in a@b.example"
            )
        }
        return text
    }

    private static func keyID(_ text: String) throws(Complaint) -> [UInt8] {
        let limit = 256
        var bytes = Array(text.utf8)
        if text.hasPrefix("0x") {
            let digits = text.utf8.dropFirst(2).map { Character(UnicodeScalar($0)).hexDigitValue }
            guard digits.count.isMultiple(of: 2), !digits.contains(nil) else {
                throw Complaint(
                    "\"\(shown(text))\" is not hexadecimal",
                    hint: "write two hexadecimal digits for each byte after keyid:0x"
                )
            }
            let values = digits.compactMap { $0 }
            bytes = stride(from: 0, to: values.count, by: 2).map {
                UInt8(values[$0] << 4 | values[$0 + 1])
            }
        }
        guard (1...limit).contains(bytes.count) else {
            throw Complaint(
                "a key ID of \(bytes.count) bytes",
                hint: "write 1 to \(limit) bytes after keyid:"
            )
        }
        return bytes
    }
}
