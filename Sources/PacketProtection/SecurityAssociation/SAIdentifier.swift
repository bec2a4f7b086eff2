/// The name that control gives one SA, that is one direction of a Child SA; never used again.
package struct SAIdentifier: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }
}

extension SAIdentifier: CustomStringConvertible {
    package var description: String { "SA \(rawValue)" }
}

/// The name that control gives one entry of the policy database; steady over reloads.
package struct PolicyIdentifier: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }
}

extension PolicyIdentifier: CustomStringConvertible {
    package var description: String { "policy \(rawValue)" }
}
