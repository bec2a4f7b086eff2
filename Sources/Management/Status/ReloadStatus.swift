/// What `cygnet reload` came to.
package struct ReloadStatus: Codable, Equatable, Sendable {
    /// A connection or a tunnel that is other than it was.
    package struct Change: Codable, Equatable, Sendable {
        /// `branch` or `branch/net`.
        package var name: String
        /// What differs, by the configuration's keys; `secret` for another content of the file.
        package var keys: [String]

        package init(name: String, keys: [String]) {
            self.name = name
            self.keys = keys
        }
    }

    /// An error or a warning.
    package struct Problem: Codable, Equatable, Sendable {
        /// `file:line:column`.
        package var place: String?
        package var text: String
        package var remedy: String?

        package init(place: String?, text: String, remedy: String?) {
            self.place = place
            self.text = text
            self.remedy = remedy
        }
    }

    /// The configuration file.
    package var file: String
    /// False: nothing has changed, and `problems` say why.
    package var isInForce: Bool
    /// Connections and tunnels that go on untouched, in the order of the file.
    package var kept: [String]
    package var changed: [Change]
    package var added: [String]
    package var removed: [String]
    /// Keys of `gateway` that have another value.
    package var gatewayKeys: [String]
    /// Whether the policy database has other entries, or another order.
    package var policiesChanged: Bool
    /// Errors, or the warnings of a configuration that is in force.
    package var problems: [Problem]

    package init(
        file: String,
        isInForce: Bool,
        kept: [String] = [],
        changed: [Change] = [],
        added: [String] = [],
        removed: [String] = [],
        gatewayKeys: [String] = [],
        policiesChanged: Bool = false,
        problems: [Problem] = []
    ) {
        self.file = file
        self.isInForce = isInForce
        self.kept = kept
        self.changed = changed
        self.added = added
        self.removed = removed
        self.gatewayKeys = gatewayKeys
        self.policiesChanged = policiesChanged
        self.problems = problems
    }
}
