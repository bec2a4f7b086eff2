/// Values that all copies of a description hold in common, so that each of very many SAs may keep
/// one; a change makes a set of its own.
package struct Shared<Values: Sendable>: Sendable {
    @usableFromInline
    final class Storage: Sendable {
        @usableFromInline let values: Values

        @inlinable
        init(_ values: Values) { self.values = values }
    }

    @usableFromInline var storage: Storage

    @inlinable
    package init(_ values: Values) { storage = Storage(values) }

    @inlinable package var values: Values {
        get { storage.values }
        set { storage = Storage(newValue) }
    }
}

extension Shared: Equatable where Values: Equatable {
    package static func == (left: Shared, right: Shared) -> Bool {
        left.storage === right.storage || left.values == right.values
    }
}

extension Shared: Hashable where Values: Hashable {
    package func hash(into hasher: inout Hasher) { hasher.combine(values) }
}

/// A description made of shared values, each of which is a property of the description too.
///
/// The accessors are always inlined: there a key path that is written out becomes the access itself,
/// and a look-up at run time anywhere else.
@dynamicMemberLookup
package protocol SharedDescription: Sendable {
    associatedtype Values: Sendable

    var shared: Shared<Values> { get set }
}

extension SharedDescription {
    @inlinable
    package subscript<Member>(dynamicMember member: WritableKeyPath<Values, Member>) -> Member {
        @inline(__always) get { shared.values[keyPath: member] }
        @inline(__always) set { shared.values[keyPath: member] = newValue }
    }
}
