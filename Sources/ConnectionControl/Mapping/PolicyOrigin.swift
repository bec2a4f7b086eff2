package import Configuration
package import PacketProtection

/// Where an entry of the policy database comes from.
package struct PolicyOrigin: Hashable, Sendable {
    package let action: PolicyAction
    /// Of `protect`.
    package let tunnel: TunnelPath?
    /// The place in the policy database, counted from 1; nil for what no other entry covers, and
    /// for route-based tunnels.
    package let order: Int?
    package let location: SourceLocation?
}
