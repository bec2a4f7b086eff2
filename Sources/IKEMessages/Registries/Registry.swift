/// A registry of IANA: numbers, some of which have names. Numbers without one are kept as they are.
package protocol Registry: RawRepresentable, Hashable, Sendable, CustomStringConvertible
where RawValue: FixedWidthInteger & Hashable {
    init(rawValue: RawValue)
    /// The names that the RFCs give.
    static var names: [RawValue: String] { get }
    /// What stands before the number of an entry without a name.
    static var kind: String { get }
}

extension Registry {
    package var name: String? { Self.names[rawValue] }

    package var description: String { name ?? "\(Self.kind) \(rawValue)" }
}
