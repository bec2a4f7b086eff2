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
    /// The device whose packets it is about. Those of other devices than the shared one have but
    /// one policy each, whatever the order.
    package var device: DeviceNumber
    /// Whether its SAs take ports from packets, so that one that shows none gets none.
    package var needsPorts = false
    /// Whether its SAs take anything from packets, so that what one packet gets is of no use to others.
    package var asksByFlow = false
    /// Whether it stands for what no entry covers.
    package var isRemainder = false

    package init(
        identifier: PolicyIdentifier,
        action: PolicyAction,
        selectors: [SelectorPair],
        device: DeviceNumber = .shared
    ) {
        self.identifier = identifier
        self.action = action
        self.selectors = selectors
        self.device = device
    }
}
