/// What the policy database says of a packet (RFC 4301 §4.4.1).
package enum PolicyAction: Hashable, Sendable {
    case protect
    case bypass
    case discard
}

/// One entry of the ordered policy database.
package struct PolicyEntry: Hashable, Sendable {
    package var identifier: PolicyIdentifier
    package var action: PolicyAction
    package var selectors: [SelectorPair]

    package init(
        identifier: PolicyIdentifier,
        action: PolicyAction,
        selectors: [SelectorPair]
    ) {
        self.identifier = identifier
        self.action = action
        self.selectors = selectors
    }
}
