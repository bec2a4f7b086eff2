internal import IPsecPrimitives

/// An address, a network, a range or a host name, as `remote: address` takes them.
enum PeerAddressText {
    static func parse(_ text: String) throws(Complaint) -> PeerAddress {
        if IPAddress(text) != nil { return .address(try WordText.address(text)) }
        if text.contains("/") {
            guard let prefix = IPPrefix(text) else {
                throw Complaint(
                    "\"\(shown(text))\" is no network",
                    hint: "write an address and the length of the prefix, as in 192.0.2.0/24"
                )
            }
            return .range(first: prefix.address, last: prefix.last)
        }
        let ends = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        if ends.count == 2, let first = IPAddress(ends[0]), let last = IPAddress(ends[1]) {
            guard first.version == last.version, first.bits <= last.bits else {
                throw Complaint(
                    "\"\(shown(text))\" is no range",
                    hint: "write the lower address first, both of one IP version"
                )
            }
            return .range(first: first, last: last)
        }
        if text == "any" || text == "%any" {
            throw Complaint(
                "\"any\" stands beside other addresses",
                hint: "write any alone, or leave it out"
            )
        }
        guard isHostName(text) else {
            throw Complaint(
                "\"\(shown(text))\" is neither an address nor a host name",
                hint: "write 192.0.2.2, 2001:db8::2, 192.0.2.0/24, vpn.example or any"
            )
        }
        return .name(text.lowercased())
    }

    /// RFC 1123 §2.1; underscores as well, which some networks use.
    static func isHostName(_ text: String) -> Bool {
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        guard text.utf8.count <= 253, let last = labels.last, !last.isEmpty,
            // A slip in an IPv4 address is no name.
            !last.utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else { return false }
        return labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                && label.utf8.allSatisfy { byte in
                    switch byte {
                    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                    default: byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
                    }
                }
        }
    }
}
