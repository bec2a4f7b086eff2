/// The names of differentiated services code points, values of six bits (RFC 2474 §3, RFC 4594 §2.3).
package enum CodePoint {
    /// Values are below this.
    package static let limit: UInt8 = 64

    /// In the order of their values; `cs0` is told by its other name, `default`.
    package static let names: [(name: String, value: UInt8)] = {
        var names: [(name: String, value: UInt8)] = [
            ("default", 0), ("le", 1), ("va", 44), ("ef", 46),
        ]
        for number in UInt8(0)...7 { names.append(("cs\(number)", number << 3)) }
        for number in UInt8(1)...4 {
            for drop in UInt8(1)...3 {
                names.append(("af\(number)\(drop)", number << 3 | drop << 1))
            }
        }
        return names
    }()

    /// The value of a name, or of a number from 0 to 63.
    package static func value(of text: String) -> UInt8? {
        if let known = names.first(where: { $0.name == text.lowercased() }) { return known.value }
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }),
            let number = UInt8(text), number < limit
        else { return nil }
        return number
    }

    /// `ef`, or the number where it has no name.
    package static func name(of value: UInt8) -> String {
        names.first { $0.value == value }?.name ?? "\(value)"
    }
}
