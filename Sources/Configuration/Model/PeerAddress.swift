package import IPsecPrimitives

/// Where a peer may be found (`remote: address`).
package enum PeerAddress: Hashable, Sendable {
    case address(IPAddress)
    /// The peer may come from any of these; nothing is begun to them.
    case range(first: IPAddress, last: IPAddress)
    /// A host name of the DNS.
    case name(String)

    /// Whether an IKE SA can be begun to it.
    package var canBeCalled: Bool {
        switch self {
        case .address, .name: true
        case .range: false
        }
    }

    /// The addresses that it stands for; none for a name.
    package var prefixes: [IPPrefix] {
        switch self {
        case .address(let address): IPPrefix.covering(address, through: address)
        case .range(let first, let last): IPPrefix.covering(first, through: last)
        case .name: []
        }
    }
}

extension PeerAddress: CustomStringConvertible {
    package var description: String {
        switch self {
        case .address(let address): return address.description
        case .range(let first, let last):
            let prefixes = IPPrefix.covering(first, through: last)
            return prefixes.count == 1 ? prefixes[0].description : "\(first)-\(last)"
        case .name(let name): return name
        }
    }
}
