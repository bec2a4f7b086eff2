package import Configuration
internal import IKECredentials
internal import IPsecPrimitives

/// What a new configuration changes in the one in force.
package struct ConfigurationChange: Hashable, Sendable {
    /// A connection or a tunnel that is other than it was.
    package struct Item: Hashable, Sendable {
        /// `branch` or `branch/net`.
        package let name: String
        /// In the words of the file; `secret` for a secret that is another in the same file.
        package let keys: [String]

        package init(name: String, keys: [String]) {
            self.name = name
            self.keys = keys
        }
    }

    /// Something that only a restart can change.
    package struct Refusal: Hashable, Sendable {
        /// `listen.ike-port`, say.
        package let key: String
        package let reason: String
        package let location: SourceLocation
    }

    /// Names of connections and tunnels that are the same, in the order of the new file.
    package private(set) var kept: [String] = []
    package private(set) var changed: [Item] = []
    package private(set) var added: [String] = []
    /// In the order of the old file.
    package private(set) var removed: [String] = []
    /// Of `gateway`.
    package private(set) var settings: [String]
    /// Whether the entries of the policy database are others, or in another order.
    package let changesPolicies: Bool
    /// Whether what SAs take from the packet (RFC 4301 §4.4.1.2) is another, which the entries tell.
    let changesPopulated: Bool
    /// Not empty: nothing of it can be put in force.
    package private(set) var refusals: [Refusal]

    /// Connections that differ in anything: their peer, or a tunnel.
    private(set) var changedConnections: Set<String> = []
    private(set) var removedConnections: [String] = []

    init(
        from old: GatewayConfiguration,
        _ oldCredentials: CredentialStore,
        _ oldManualKeys: ManualKeys,
        to new: GatewayConfiguration,
        _ newCredentials: CredentialStore,
        _ newManualKeys: ManualKeys
    ) {
        settings = new.settings.changedKeys(from: old.settings)
        refusals = new.settings.fixedKeys(changedFrom: old.settings).map {
            Refusal(key: $0.key, reason: $0.reason, location: new.settings.location)
        }
        changesPolicies =
            old.settings.defaultPolicy != new.settings.defaultPolicy
            || !old.policies.elementsEqual(new.policies) { $0.saysTheSame(as: $1) }
            || !old.routeBasedTunnels.elementsEqual(new.routeBasedTunnels) {
                $0.path == $1.path && $0.local == $1.local && $0.remote == $1.remote
            }
        changesPopulated = old.populatedTunnels != new.populatedTunnels
        let before = Dictionary(
            old.connections.map { ($0.name, $0) },
            uniquingKeysWith: { first, _ in first }
        )
        for connection in new.connections {
            guard let other = before[connection.name] else {
                added.append(connection.name)
                added += connection.tunnels.map(\.path.description)
                continue
            }
            var keys = connection.changedKeys(from: other)
            if !connection.isManual, !other.isManual,
                !newCredentials.hasSameSecret(as: oldCredentials, for: connection)
            {
                keys.append("secret")
            }
            note(connection.name, keys)
            if !keys.isEmpty || !connection.saysTheSame(as: other) {
                changedConnections.insert(connection.name)
            }
            let renewed = Set(
                connection.tunnels.map(\.path).filter {
                    !newManualKeys.hasSameKeys(as: oldManualKeys, for: $0)
                }
            )
            if !renewed.isEmpty { changedConnections.insert(connection.name) }
            note(tunnelsOf: connection, other, renewed: renewed)
        }
        let names = Set(new.connections.map(\.name))
        for connection in old.connections where !names.contains(connection.name) {
            removed.append(connection.name)
            removed += connection.tunnels.map(\.path.description)
            changedConnections.insert(connection.name)
            removedConnections.append(connection.name)
        }
    }

    /// Whether there is nothing to do.
    package var isEmpty: Bool {
        changed.isEmpty && added.isEmpty && removed.isEmpty && settings.isEmpty && !changesPolicies
    }

    /// The engine has given the SPIs of manual keys to SAs that are in place.
    mutating func refuse(_ conflicts: [Located<SPI>]) {
        refusals += conflicts.map {
            Refusal(
                key: "the SPI \($0.value)",
                reason: "IKE has given it to an SA that is in place; another one is as good",
                location: $0.location
            )
        }
    }

    /// A traffic class asks for a firewall mark, and the gateway was started without any such.
    mutating func refuse(markAt location: SourceLocation) {
        refusals.append(
            Refusal(
                key: "whether traffic classes ask for a mark",
                reason: "what tells the gateway of marks is loaded at the start, or not, with "
                    + "privileges that are given up",
                location: location
            )
        )
    }

    private mutating func note(_ name: String, _ keys: [String]) {
        if keys.isEmpty {
            kept.append(name)
        } else {
            changed.append(Item(name: name, keys: keys))
        }
    }

    private mutating func note(
        tunnelsOf connection: ConnectionConfiguration,
        _ old: ConnectionConfiguration,
        renewed: Set<TunnelPath>
    ) {
        for tunnel in connection.tunnels {
            guard let other = old.tunnels.first(where: { $0.path == tunnel.path }) else {
                added.append(tunnel.path.description)
                continue
            }
            let keys = tunnel.changedKeys(from: other)
            note(
                tunnel.path.description,
                keys + (renewed.contains(tunnel.path) && keys.isEmpty ? ["secret"] : [])
            )
        }
        let names = Set(connection.tunnels.map(\.name))
        removed += old.tunnels.filter { !names.contains($0.name) }.map(\.path.description)
    }
}

extension CredentialStore {
    /// Whether a connection's secret is what it was.
    fileprivate func hasSameSecret(
        as other: CredentialStore,
        for connection: ConnectionConfiguration
    ) -> Bool {
        let local = IdentityPattern(connection.localIdentity.value)
        let remote = IdentityPattern(connection.remoteIdentity.value)
        if let ppk = connection.establishment.ppk,
            !hasSamePostquantumKey(as: other, identifier: Array(ppk.identifier.utf8))
        {
            return false
        }
        return hasSamePresharedKey(as: other, local: local, remote: remote)
    }
}

extension GatewayConfiguration {
    /// The tunnels whose SAs take anything from the packet.
    fileprivate var populatedTunnels: [TunnelPath: PopulatedSelectors] {
        let tunnels = connections.flatMap(\.tunnels)
        return Dictionary(
            tunnels.map { ($0.path, $0.carriage.populated.value) }.filter { !$0.1.isEmpty },
            uniquingKeysWith: { first, _ in first }
        )
    }
}
