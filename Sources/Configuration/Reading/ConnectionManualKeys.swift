internal import IPsecPrimitives

/// A connection whose keys are manual (RFC 4301 §4.5.1): nothing is negotiated, and what would be is
/// refused rather than passed over.
extension ConnectionSection {
    private static let manualKeys = [
        "keys", "local", "remote", "encapsulation", "allow-weak", "tunnels",
    ]

    /// Nil when something that has no default is missing or wrong; reported.
    func readManual(
        _ reader: MappingReader,
        _ keying: Located<Keying>,
        at location: SourceLocation
    ) -> ConnectionConfiguration? {
        for key in ConnectionSection.keys where !ConnectionSection.manualKeys.contains(key) {
            guard let node = reader.node(key) else { continue }
            problems.error(
                at: node.location,
                "\"\(key)\" means nothing where keys are manual: nothing is negotiated with the peer "
                    + "of connection \"\(name)\"",
                hint: "remove it, or `keys: manual`"
            )
        }
        let local = EndSection(reader.node("local"), isRemote: false, of: reader)
        let remote = EndSection(reader.node("remote"), isRemote: true, of: reader)
        checkVersions(local, remote)
        let tunnels = readTunnels(reader, mayBegin: true, isManual: true)
        checkSafety(reader, nil, tunnels)
        let encapsulation = readManualEncapsulation(reader)
        let near = manualAddress(local, local.address.value, "local", reader)
        var onlyRemote: IPAddress?
        if remote.peerAddresses.value.count == 1,
            case .address(let address)? = remote.peerAddresses.value.first
        {
            onlyRemote = address
        }
        let far = manualAddress(remote, onlyRemote, "remote", reader)
        // RFC 8221 §3: "Manual keying SHOULD NOT be used, as it is inherently dangerous."
        problems.warning(
            at: keying.location,
            "the keys of connection \"\(name)\" are manual: they stay the same until somebody writes "
                + "others, and whoever records a packet can send it again",
            hint: "use IKE wherever the peer has it; else write new keys at both ends from time to "
                + "time (RFC 8221 §3)"
        )
        guard let near, let far else { return nil }
        var connection = ConnectionConfiguration(
            name: name,
            location: location,
            localAddress: Located(near, at: local.address.location),
            remoteAddresses: remote.peerAddresses,
            localIdentity: Located(.address(near), at: local.address.location),
            remoteIdentity: Located(.address(far), at: remote.peerAddresses.location),
            secretFile: nil,
            ikeProposals: [],
            encapsulation: encapsulation,
            liveness: Located(nil, at: location),
            retransmission: RetransmissionConfiguration(location: location),
            lifetime: Located(.zero, at: location),
            keepalive: Located(nil, at: location),
            tunnels: tunnels
        )
        connection.keying = keying
        return connection
    }

    /// NAT detection belongs to IKE (RFC 7296 §2.23).
    private func readManualEncapsulation(
        _ reader: MappingReader
    ) -> Located<ConnectionConfiguration.Encapsulation> {
        let encapsulation = reader.value(
            "encapsulation",
            default: .esp,
            WordText.oneOf(ConnectionConfiguration.Encapsulation.self)
        )
        guard encapsulation.value == .automatic else { return encapsulation }
        problems.error(
            at: encapsulation.location,
            "where keys are manual, nobody finds out whether there is a NAT between the ends",
            hint: "write `encapsulation: esp`, or `udp` where the peer expects ESP in UDP"
        )
        return encapsulation
    }

    /// The one address of an end; nil, and reported, where there is another number of them, or an
    /// identity, which nobody would prove.
    private func manualAddress(
        _ end: EndSection,
        _ address: IPAddress?,
        _ key: String,
        _ reader: MappingReader
    ) -> IPAddress? {
        let location = reader.location(of: key)
        guard let address else {
            // What is missing is reported already.
            guard reader.node(key) != nil else { return nil }
            problems.error(
                at: location,
                "\(key) of connection \"\(name)\" is not one address, and manual keys need to know "
                    + "both ends",
                hint: "write one address, as in `\(key): 192.0.2.1`"
            )
            return nil
        }
        if let identity = end.identity, identity.value != .address(address) {
            problems.error(
                at: identity.location,
                "\(key) of connection \"\(name)\" has an id, which nobody proves where keys are "
                    + "manual",
                hint: "write the address alone"
            )
        }
        return address
    }
}
