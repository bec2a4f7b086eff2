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

extension ConnectionConfiguration {
    /// The peer's address where the file names just one, and no name.
    package var onlyRemoteAddress: IPAddress? {
        if case .address(let address)? = remoteAddresses.value.first,
            remoteAddresses.value.count == 1
        {
            address
        } else {
            nil
        }
    }

    /// Whether this end can begin an IKE SA.
    package var canBegin: Bool { remoteAddresses.value.contains(where: \.canBeCalled) }

    /// The peer's addresses in words: `192.0.2.1, vpn.example`, or `any address`.
    package var remoteAddressText: String {
        remoteAddresses.value.isEmpty
            ? "any address" : remoteAddresses.value.map(\.description).joined(separator: ", ")
    }
}
