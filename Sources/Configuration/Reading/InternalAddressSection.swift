internal import IPsecPrimitives

/// Addresses of the inside: `request-address` and `assign`.
extension ConnectionSection {
    static let internalAddressKeys = ["request-address", "assign"]
    static let assignmentKeys = ["addresses", "dns", "domains", "subnets", "required"]
    /// As many as one reply should hold.
    private static let listLimit = 64

    func readInternalAddresses(
        _ reader: MappingReader,
        into connection: inout ConnectionConfiguration
    ) {
        connection.internalAddresses.requested =
            reader.list(
                "request-address",
                atMost: 2,
                WordText.oneOf(InternalAddressConfiguration.Version.self)
            ) ?? []
        guard let node = reader.node("assign"),
            let reader = MappingReader(
                node,
                subject: "assign of connection \"\(name)\"",
                keys: ConnectionSection.assignmentKeys,
                problems: problems
            )
        else { return }
        let limit = ConnectionSection.listLimit
        guard let addresses = reader.list("addresses", atMost: 1000, WordText.address) else {
            return reader.reportMissing(
                "addresses",
                hint: "write the addresses that peers may get, as in `addresses: [10.9.0.5]`"
            )
        }
        connection.internalAddresses.assignment = InternalAddressConfiguration.Assignment(
            addresses: addresses,
            nameServers: reader.list("dns", atMost: limit, WordText.address) ?? [],
            domains: reader.list("domains", atMost: limit, ConnectionSection.domain) ?? [],
            networks: reader.list("subnets", atMost: limit, ConnectionSection.network) ?? [],
            isRequired: reader.value("required", default: false, WordText.boolean),
            location: node.location
        )
        checkAddresses(addresses, connection)
    }

    /// An address that no tunnel reaches would leave its holder without a Child SA.
    private func checkAddresses(
        _ addresses: [Located<IPAddress>],
        _ connection: ConnectionConfiguration
    ) {
        for address in addresses {
            let isReached = connection.tunnels.contains { tunnel in
                tunnel.remote.contains { $0.value.contains(address.value) }
            }
            guard !isReached, !connection.tunnels.isEmpty else { continue }
            problems.error(
                at: address.location,
                "no tunnel of connection \"\(name)\" has \(address.value) at its remote side",
                hint: "add it to \"remote\" of a tunnel, or assign an address that is there"
            )
        }
    }

    private static func domain(_ text: String) throws(Complaint) -> String {
        let isDomain =
            !text.isEmpty && text.utf8.count <= 253
            && text.utf8.allSatisfy { byte in
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                    || byte == 45 || byte == 46 || byte == 95
            }
        guard isDomain else {
            throw Complaint(
                "\"\(shown(text))\" is not a domain",
                hint: "write it as in in.example.net; other scripts in their xn-- form"
            )
        }
        return text
    }

    private static func network(_ text: String) throws(Complaint) -> IPPrefix {
        let selector = try SelectorText.parse(text)
        guard selector.ipProtocol == 0, selector.prefixes.count == 1 else {
            throw Complaint(
                "\"\(shown(text))\" is not one network",
                hint: "write it as in 10.1.0.0/16"
            )
        }
        return selector.prefixes[0]
    }
}
