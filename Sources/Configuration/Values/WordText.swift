internal import IPsecPrimitives

/// Words from fixed sets, names and paths.
enum WordText {
    /// One of an enumeration's words.
    static func oneOf<Value: RawRepresentable & CaseIterable & Sendable>(
        _ type: Value.Type
    ) -> (String) throws(Complaint) -> Value where Value.RawValue == String {
        { (text) throws(Complaint) in
            if let value = Value(rawValue: text) { return value }
            let words = Value.allCases.map(\.rawValue)
            let near = NearestWord.to(text, among: words).map { "did you mean \($0)? " } ?? ""
            throw Complaint(
                "\"\(shown(text))\" is not one of its values",
                hint: "\(near)Write \(alternatives(words))"
            )
        }
    }

    static func boolean(_ text: String) throws(Complaint) -> Bool {
        switch text {
        case "true": return true
        case "false": return false
        default:
            throw Complaint(
                "\"\(shown(text))\" is neither true nor false",
                hint: "write true or false"
            )
        }
    }

    /// `a, b or c`.
    static func alternatives(_ words: [String]) -> String {
        guard let last = words.last, words.count > 1 else { return words.first ?? "" }
        return words.dropLast().joined(separator: ", ") + " or " + last
    }

    static func address(_ text: String) throws(Complaint) -> IPAddress {
        guard let address = IPAddress(text) else {
            throw Complaint(
                "\"\(shown(text))\" is not an address",
                hint: "write an IPv4 or IPv6 address, as in 192.0.2.1 or 2001:db8::1"
            )
        }
        guard !address.isUnspecified else {
            throw Complaint(
                "\(text) stands for no address",
                hint: "leave the key out, or write any, for every address"
            )
        }
        guard !isMulticast(address) else {
            throw Complaint(
                "\(text) is a multicast or broadcast address",
                hint: "write the address of one host, as in 192.0.2.1"
            )
        }
        return address
    }

    static func addressOrAny(_ text: String) throws(Complaint) -> IPAddress? {
        text == "any" || text == "%any" ? nil : try address(text)
    }

    private static func isMulticast(_ address: IPAddress) -> Bool {
        switch address {
        case .v4(let address): address.bits >> 28 == 0xE || address.bits == .max
        case .v6(let address): address.bits >> 120 == 0xFF
        }
    }

    /// A name that status, logs and commands can write without quotes.
    static func isName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 64 && text.utf8.first != UInt8(ascii: "-")
            && text.utf8.allSatisfy(isNameByte)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") || byte == 0x2E
        }
    }

    /// A network device's name (Linux: at most 15 bytes, neither space nor slash).
    static func deviceName(_ text: String) throws(Complaint) -> String {
        guard isName(text), text.utf8.count <= 15, text != ".", text != ".." else {
            throw Complaint(
                "\"\(shown(text))\" cannot be a device's name",
                hint: "write 1 to 15 letters, digits, dots, dashes or underscores"
            )
        }
        return text
    }

    static func path(_ text: String) throws(Complaint) -> String {
        guard !text.isEmpty, text.utf8.count <= 4096, !text.utf8.contains(0) else {
            throw Complaint("not a path", hint: "write the path of a file, as in branch.secret")
        }
        return text
    }

    /// The path from the working directory, of a file that is named from `directory`.
    static func path(_ path: Located<String>, in directory: String) -> Located<String> {
        path.value.hasPrefix("/") ? path : Located(directory + path.value, at: path.location)
    }

    /// A Unix socket's address has room for 107 bytes.
    static func socketPath(_ text: String) throws(Complaint) -> String {
        let text = try path(text)
        guard text.utf8.first == UInt8(ascii: "/"), text.utf8.count <= 107 else {
            throw Complaint(
                "\"\(shown(text))\" cannot be a socket's path",
                hint: "write an absolute path of at most 107 bytes, "
                    + "as in /run/cygnet/control.sock"
            )
        }
        return text
    }
}
