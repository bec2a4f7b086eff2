internal import IPsecPrimitives

/// Reads one entry of `connections:`.
struct ConnectionSection {
    static let keys =
        [
            "keys", "local", "remote", "secret-file", "ike-proposals", "allow-weak",
            "encapsulation", "liveness", "retransmission", "ike-lifetime", "keepalive", "on-loss",
            "traffic", "tunnels",
        ] + conductKeys + establishmentKeys + pathKeys + internalAddressKeys
    static let retransmissionKeys = ["initial", "factor", "tries"]

    let name: String
    let settings: GatewaySettings
    /// Of the configuration file, with its slash; empty for the working directory.
    let directory: String
    let problems: Problems

    /// Nil when something that has no default is missing or wrong; reported.
    func read(_ entry: YAMLEntry) -> ConnectionConfiguration? {
        guard
            let reader = MappingReader(
                entry.value,
                subject: "connection \"\(name)\"",
                keys: ConnectionSection.keys,
                problems: problems
            )
        else { return nil }
        let keying = reader.value("keys", default: .ike, WordText.oneOf(Keying.self))
        if keying.value == .manual { return readManual(reader, keying, at: entry.keyLocation) }
        let local = EndSection(reader.node("local"), isRemote: false, of: reader)
        let remote = EndSection(reader.node("remote"), isRemote: true, of: reader)
        checkVersions(local, remote)
        let secretFile = readSecretFile(reader)
        let retransmission = readRetransmission(reader)
        let tunnels = readTunnels(reader, mayBegin: remote.mayBeCalled)
        let ikeProposals = reader.list(
            "ike-proposals",
            atMost: ConfigurationLimits.proposals,
            ProposalText.ike
        )
        checkSafety(reader, ikeProposals, tunnels)
        let encapsulation = reader.value(
            "encapsulation",
            default: .automatic,
            WordText.oneOf(ConnectionConfiguration.Encapsulation.self)
        )
        let (liveness, lifetime, keepalive) = readTimes(reader)
        guard let localIdentity = local.identity, let remoteIdentity = remote.identity,
            let secretFile
        else { return nil }
        var connection = ConnectionConfiguration(
            name: name,
            location: entry.keyLocation,
            localAddress: local.address,
            remoteAddresses: remote.peerAddresses,
            localIdentity: localIdentity,
            remoteIdentity: remoteIdentity,
            secretFile: secretFile,
            ikeProposals: ikeProposals
                ?? DefaultProposals.ike.map { Located($0, at: entry.keyLocation) },
            encapsulation: encapsulation,
            liveness: liveness,
            retransmission: retransmission,
            lifetime: lifetime,
            keepalive: keepalive,
            tunnels: tunnels
        )
        readConduct(reader, into: &connection)
        if let node = reader.node("traffic") {
            connection.traffic = TrafficSection(
                owner: "connection \"\(name)\"",
                problems: problems
            ).read(node, keys: TrafficSection.keys)
        }
        return connection
    }

    /// The file's path from the working directory.
    private func readSecretFile(_ reader: MappingReader) -> Located<String>? {
        let path = reader.required(
            "secret-file",
            hint: "write `secret-file: \(name).secret`, a file that only its owner "
                + "may read",
            WordText.path
        )
        return path.map { WordText.path($0, in: directory) }
    }

    private func readTimes(
        _ reader: MappingReader
    ) -> (liveness: Located<Duration?>, lifetime: Located<Duration>, keepalive: Located<Duration?>)
    {
        (
            reader.value(
                "liveness",
                default: .seconds(30),
                NumberText.durationOrOff(.seconds(1)...(.seconds(86_400)))
            ),
            reader.value(
                "ike-lifetime",
                default: .seconds(4 * 3600),
                NumberText.duration(ConfigurationLimits.ikeLifetime)
            ),
            reader.value(
                "keepalive",
                default: .seconds(20),
                NumberText.durationOrOff(.seconds(1)...(.seconds(3600)))
            )
        )
    }

    func checkSafety(
        _ reader: MappingReader,
        _ ikeProposals: [Located<Proposal>]?,
        _ tunnels: [TunnelConfiguration]
    ) {
        ProposalSafety(
            allowsWeak: reader.value("allow-weak", default: false, WordText.boolean),
            connection: name,
            problems: problems
        ).check(ike: ikeProposals, tunnels: tunnels)
    }

    func checkVersions(_ local: EndSection, _ remote: EndSection) {
        guard let near = local.address.value else { return }
        for case .address(let far) in remote.peerAddresses.value {
            checkVersions(near, far, at: remote.peerAddresses.location)
        }
    }

    private func checkVersions(
        _ near: IPAddress,
        _ far: IPAddress,
        at location: SourceLocation
    ) {
        if near == far {
            problems.error(
                at: location,
                "local and remote address are both \(far)",
                hint: "write the peer's address at remote"
            )
        } else if near.version != far.version {
            problems.error(
                at: location,
                "the local address \(near) and the remote address \(far) are of different IP "
                    + "versions",
                hint: "write two IPv4 or two IPv6 addresses; the networks inside may be either"
            )
        }
    }

    private func readRetransmission(_ reader: MappingReader) -> RetransmissionConfiguration {
        var result = RetransmissionConfiguration(location: reader.location(of: "retransmission"))
        guard let node = reader.node("retransmission"),
            let reader = MappingReader(
                node,
                subject: "retransmission of connection \"\(name)\"",
                keys: ConnectionSection.retransmissionKeys,
                problems: problems
            )
        else { return result }
        result.initial =
            reader.value(
                "initial",
                default: result.initial,
                NumberText.duration(.milliseconds(100)...(.seconds(60)))
            ).value
        result.factor =
            reader.value("factor", default: result.factor, NumberText.factor(1...5)).value
        result.tries =
            reader.value("tries", default: result.tries, NumberText.integer(1...20)).value
        if result.total > .seconds(3600) {
            problems.error(
                at: node.location,
                "a silent peer would be given up after \(result.total.components.seconds) seconds",
                hint: "lower initial, factor or tries, so that it takes an hour at most"
            )
        }
        return result
    }

    func readTunnels(
        _ reader: MappingReader,
        mayBegin: Bool,
        isManual: Bool = false
    ) -> [TunnelConfiguration] {
        let example = "write `tunnels:` with a name and `local:` and `remote:` networks below it"
        let subject = "tunnels of connection \"\(name)\""
        guard let node = reader.node("tunnels") else {
            reader.reportMissing("tunnels", hint: example)
            return []
        }
        guard
            let entries = MappingReader.entries(of: node, subject: subject, problems: problems)
        else { return [] }
        let limit = ConfigurationLimits.tunnelsPerConnection
        if entries.isEmpty || entries.count > limit {
            problems.error(
                at: node.location,
                "\(subject): \(entries.count) entries",
                hint: entries.isEmpty ? example : "a connection has at most \(limit) tunnels"
            )
        }
        let onLoss = TunnelSection.readOnLoss(reader, mayBegin: mayBegin)
        return entries.prefix(limit).compactMap { entry in
            guard NameCheck.passes(entry, "tunnel", problems) else { return nil }
            let path = TunnelPath(connection: name, tunnel: entry.key)
            return TunnelSection(
                path: path,
                settings: settings,
                mayBegin: mayBegin,
                isManual: isManual,
                onLoss: onLoss,
                directory: directory,
                problems: problems
            ).read(entry)
        }
    }
}
