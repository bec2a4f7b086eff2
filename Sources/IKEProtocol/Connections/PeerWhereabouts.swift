package import IPsecPrimitives

/// Where the peers of connections are, as far as that is known from elsewhere than the configuration:
/// it tells which of several connections a first request may mean, and never that one is not meant.
struct PeerWhereabouts {
    /// Peers that are remembered to have been taken for others.
    static let capacity = 1024

    /// By connection: what the names of its peer stand for.
    private var resolved: [String: Set<IPAddress>] = [:]
    /// By address: the connection of a peer there who has proven it, after another's proposals had
    /// been chosen for it.
    private var proven: [IPAddress: String] = [:]
    /// The same, the first one remembered first.
    private var addresses: [IPAddress] = []

    func isResolved(_ connection: String, at address: IPAddress) -> Bool {
        resolved[connection]?.contains(address) == true
    }

    func isProven(_ connection: String, at address: IPAddress) -> Bool {
        proven[address] == connection
    }

    mutating func resolve(_ connection: String, _ found: [IPAddress]) {
        resolved[connection] = found.isEmpty ? nil : Set(found)
    }

    mutating func prove(_ connection: String, at address: IPAddress) {
        if proven.updateValue(connection, forKey: address) != nil { return }
        addresses.append(address)
        if addresses.count > PeerWhereabouts.capacity {
            proven[addresses.removeFirst()] = nil
        }
    }

    /// Forgets connections that are no more.
    mutating func keep(where isThere: (String) -> Bool) {
        resolved = resolved.filter { isThere($0.key) }
        proven = proven.filter { isThere($0.value) }
        addresses.removeAll { proven[$0] == nil }
    }
}

extension IKEEngine {
    /// What the names of a connection's peer stand for now, and any address that it is given besides;
    /// of several connections that a peer may mean, those that know its address go first.
    package func noteResolved(_ addresses: [IPAddress], of connection: String) {
        whereabouts.resolve(connection, addresses)
    }
}
