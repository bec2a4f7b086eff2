/// A number that has a type of its own.
///
/// Such numbers are compared everywhere. What compares them is open to the optimiser of other modules;
/// what `RawRepresentable` brings is a call through a table of witnesses there, for each comparison.
@usableFromInline
package protocol Numbered: RawRepresentable, Hashable, Sendable
where RawValue: FixedWidthInteger {}

extension Numbered {
    @inlinable
    package static func == (left: Self, right: Self) -> Bool { left.rawValue == right.rawValue }
}
