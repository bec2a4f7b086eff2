internal import IPsecPrimitives

/// Addresses and routes of an interface.
enum InterfaceText {
    /// `169.254.10.2/30`, or an address alone.
    static func address(_ text: String) throws(Complaint) -> InterfaceAddress {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let address = try WordText.address(String(parts.first ?? ""))
        let bits = address.version.addressBits
        guard parts.count == 2 else {
            return InterfaceAddress(address: address, prefixLength: bits)
        }
        guard let length = Int(parts[1]), (1...bits).contains(length),
            parts[1].utf8.allSatisfy({ (48...57).contains($0) })
        else {
            throw Complaint(
                "\"\(shown(text))\" has no prefix length from 1 to \(bits)",
                hint: "write this end's address and the length, as in 169.254.10.2/30"
            )
        }
        return InterfaceAddress(address: address, prefixLength: length)
    }

    static func network(_ text: String) throws(Complaint) -> IPPrefix {
        if let prefix = IPPrefix(text) { return prefix }
        throw Complaint(
            "\"\(shown(text))\" is not a network",
            hint: "write a network without bits behind its length, as in 10.2.0.0/16"
        )
    }
}
