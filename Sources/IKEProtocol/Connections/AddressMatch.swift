internal import IPsecPrimitives

/// How exactly a connection names the addresses of a path, the peer's before ours; more is better.
struct AddressMatch: Hashable, Comparable {
    /// How the peer's address is named.
    private enum Peer: Hashable, Comparable {
        case any
        /// Bits of the network.
        case network(Int)
        /// A name stands for it.
        case name
        case address
        /// A peer there has proven that it means this connection.
        case proven
    }

    private let peer: Peer
    private let namesLocal: Bool

    /// Whether it is not for any address of a peer alike.
    var namesPeer: Bool { peer != .any }

    /// Nil where the peer cannot mean the connection.
    init?(_ connection: IKEConnection, along path: IKEPath, _ whereabouts: PeerWhereabouts) {
        guard connection.mayMeet(path) else { return nil }
        let address = path.remote.address
        namesLocal = connection.localAddress != nil
        if whereabouts.isProven(connection.name, at: address) {
            peer = .proven
        } else if connection.remoteAddress == address {
            peer = .address
        } else if whereabouts.isResolved(connection.name, at: address) {
            peer = .name
        } else {
            let networks = connection.remotePrefixes.filter { $0.contains(address) }
            let bits = networks.map(\.length).max()
            peer = bits.map { $0 == address.version.addressBits ? .address : .network($0) } ?? .any
        }
    }

    static func < (left: AddressMatch, right: AddressMatch) -> Bool {
        left.peer == right.peer
            ? !left.namesLocal && right.namesLocal : left.peer < right.peer
    }
}
