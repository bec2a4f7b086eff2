internal import IPsecPrimitives

/// Warns of connections between which an incoming peer cannot be told apart.
enum PeerCheck {
    private struct Peer: Hashable {
        let addresses: String
        let local: IdentityConfiguration
        let remote: IdentityConfiguration
    }

    static func run(_ connections: [ConnectionConfiguration], _ problems: Problems) {
        var first: [Peer: ConnectionConfiguration] = [:]
        for connection in connections {
            let near = connection.localAddress.value?.description ?? "any"
            let far = connection.remoteAddressText
            let peer = Peer(
                addresses: "\(near) \(far)",
                local: connection.localIdentity.value,
                remote: connection.remoteIdentity.value
            )
            if let earlier = first[peer] {
                problems.warning(
                    at: connection.location,
                    "connection \"\(connection.name)\" has the addresses and identities of "
                        + "\"\(earlier.name)\", which answers for both",
                    hint: "put the tunnels into one connection, or give the ends other ids"
                )
            } else {
                first[peer] = connection
            }
        }
    }
}
