/// A registry of IANA: numbers, some of which have names. Numbers without one are kept as they are.
@usableFromInline
package protocol Registry: RawRepresentable, Hashable, Sendable, CustomStringConvertible
where RawValue: FixedWidthInteger & Hashable {
    init(rawValue: RawValue)
    /// The names that the RFCs give.
    static var names: [RawValue: String] { get }
    /// What stands before the number of an entry without a name.
    static var kind: String { get }
}

extension Registry {
    // Open to the optimiser of other modules, as that of `Numbered` is.
    @inlinable
    package static func == (left: Self, right: Self) -> Bool { left.rawValue == right.rawValue }

    package var name: String? { Self.names[rawValue] }

    @usableFromInline package var description: String { name ?? "\(Self.kind) \(rawValue)" }
}
