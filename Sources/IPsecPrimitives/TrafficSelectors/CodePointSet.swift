/// A set of differentiated services code points (RFC 2474 §3): of the values 0 to 63.
package struct CodePointSet: Hashable, Sendable, CustomStringConvertible {
    /// The value `n` is there where bit `n` is set.
    package var bits: UInt64

    package init(bits: UInt64 = 0) {
        self.bits = bits
    }

    /// - Parameter values: those of 64 and more are none, and left out.
    package init(_ values: some Sequence<UInt8>) {
        bits = values.reduce(0) { $1 < CodePoint.limit ? $0 | 1 << UInt64($1) : $0 }
    }

    package var isEmpty: Bool { bits == 0 }

    package func contains(_ value: UInt8) -> Bool {
        value < CodePoint.limit && bits >> UInt64(value) & 1 != 0
    }

    package func intersection(_ other: CodePointSet) -> CodePointSet {
        CodePointSet(bits: bits & other.bits)
    }

    /// In ascending order.
    package var values: [UInt8] { (0..<CodePoint.limit).filter(contains) }

    /// `va ef`.
    package var description: String {
        values.map { CodePoint.name(of: $0) }.joined(separator: " ")
    }
}
