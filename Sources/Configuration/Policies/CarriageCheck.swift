internal import IPsecPrimitives

/// Refuses tunnels that the packet path cannot carry, or that cannot carry anything.
enum CarriageCheck {
    static func run(
        _ connections: [ConnectionConfiguration],
        _ ability: PacketPathAbility,
        _ problems: Problems
    ) {
        for connection in connections {
            if let requested = connection.internalAddresses.requested.first,
                !ability.internalAddresses
            {
                problems.error(
                    at: requested.location,
                    "connection \"\(connection.name)\" asks for an address of the inside, which "
                        + "this gateway negotiates but does not use",
                    hint: "remove request-address, and write this end's networks in local"
                )
            }
            for tunnel in connection.tunnels {
                checkAbility(tunnel, ability, problems)
                if tunnel.carriage.mode.value == .transport {
                    checkEnds(tunnel, connection, problems)
                }
                checkHeader(tunnel, connection, problems)
                checkStreams(tunnel, connection, problems)
            }
        }
    }

    /// RFC 9329 §1: "Authentication Header (AH) is not supported by this specification".
    private static func checkStreams(
        _ tunnel: TunnelConfiguration,
        _ connection: ConnectionConfiguration,
        _ problems: Problems
    ) {
        guard let proposal = tunnel.carriage.ahProposals.first, tunnel.espProposals.isEmpty else {
            return
        }
        switch connection.paths.transport.value {
        case .udp: break
        case .automatic:
            problems.warning(
                at: proposal.location,
                "AH cannot travel along TCP: tunnel \"\(tunnel.path)\" carries nothing while UDP is "
                    + "blocked",
                hint: "use esp-proposals, `null-sha256` at least"
            )
        case .tcp:
            problems.error(
                at: proposal.location,
                "AH cannot travel along TCP, by which alone connection \"\(connection.name)\" goes",
                hint: "use esp-proposals, `null-sha256` at least, or `transport: udp`"
            )
        }
    }

    private static func checkAbility(
        _ tunnel: TunnelConfiguration,
        _ ability: PacketPathAbility,
        _ problems: Problems
    ) {
        let carriage = tunnel.carriage
        func refuse(_ what: String, at location: SourceLocation, hint: String) {
            problems.error(
                at: location,
                "tunnel \"\(tunnel.path)\" wants \(what), which this gateway negotiates but does "
                    + "not carry",
                hint: hint
            )
        }
        if carriage.mode.value == .transport, !ability.transportMode {
            refuse("transport mode", at: carriage.mode.location, hint: "write `mode: tunnel`")
        }
        if let proposal = carriage.ahProposals.first, !ability.authenticationHeader {
            refuse("AH", at: proposal.location, hint: "use esp-proposals, `null-sha256` at least")
        }
        for compression in carriage.compression
        where !ability.compression.contains(compression.value) {
            refuse(
                "compression by \(compression.value.rawValue)",
                at: compression.location,
                hint: "write `compression: deflate`, or off"
            )
        }
        if let compression = carriage.compression.first, let proposal = carriage.ahProposals.first {
            problems.error(
                at: compression.location,
                "tunnel \"\(tunnel.path)\" wants compression and AH, and here only what goes by ESP is "
                    + "compressed",
                hint: "remove compression, or ah-proposals (line \(proposal.location.line))"
            )
        }
        if carriage.laterFragments.value, !ability.laterFragments {
            refuse(
                "later fragments by the SA of the first",
                at: carriage.laterFragments.location,
                hint: "remove later-fragments; selectors without ports cover them anyway"
            )
        }
    }

    /// RFC 7296 §2.23.1: in transport mode, the selectors are the addresses of the two ends.
    private static func checkEnds(
        _ tunnel: TunnelConfiguration,
        _ connection: ConnectionConfiguration,
        _ problems: Problems
    ) {
        for (address, selectors, side) in [
            (connection.localAddress.value, tunnel.local, "local"),
            (connection.onlyRemoteAddress, tunnel.remote, "remote"),
        ] {
            guard let address, let first = selectors.first,
                !selectors.contains(where: { $0.value.contains(address) })
            else { continue }
            problems.error(
                at: first.location,
                "transport mode carries only what the gateways send each other, and \(side) of "
                    + "tunnel \"\(tunnel.path)\" leaves out \(address)",
                hint: "write \(address) there, or `mode: tunnel`"
            )
        }
    }

    /// RFC 4302 §3.3.3 covers the outer addresses, and RFC 3948 has no AH.
    private static func checkHeader(
        _ tunnel: TunnelConfiguration,
        _ connection: ConnectionConfiguration,
        _ problems: Problems
    ) {
        guard let proposal = tunnel.carriage.ahProposals.first, tunnel.espProposals.isEmpty,
            connection.encapsulation.value == .udp
        else { return }
        problems.error(
            at: proposal.location,
            "AH cannot travel in UDP, as `encapsulation: udp` of connection "
                + "\"\(connection.name)\" wants it",
            hint: "use esp-proposals, or `encapsulation: auto`"
        )
    }
}
