/// Warns where an SA is to be spread over threads and will not be.
enum SpreadCheck {
    static func run(
        _ settings: GatewaySettings,
        _ connections: [ConnectionConfiguration],
        _ problems: Problems
    ) {
        let tunnels = connections.flatMap(\.tunnels).filter(\.carriage.isSpread.value)
        for tunnel in tunnels {
            let location = tunnel.carriage.isSpread.location
            if settings.cipherThreads == 0 {
                problems.warning(
                    at: location,
                    "no threads are there to help with tunnel \"\(tunnel.path)\"",
                    hint: "write `cipher-threads: 1` or more in gateway, or remove spread"
                )
            } else if tunnel.espProposals.isEmpty {
                problems.warning(
                    at: location,
                    "tunnel \"\(tunnel.path)\" goes by AH, and only the ciphers of ESP are spread",
                    hint: "use esp-proposals, `null-sha256` at least, or remove spread"
                )
            }
        }
        if settings.cipherThreads > 0, tunnels.isEmpty {
            problems.warning(
                at: settings.location,
                "cipher-threads have nothing to do: no tunnel is spread",
                hint: "write `spread: true` in a tunnel, or remove cipher-threads"
            )
        }
    }
}
