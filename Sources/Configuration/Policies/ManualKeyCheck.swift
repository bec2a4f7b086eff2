internal import IPsecPrimitives

/// Refuses manual SAs that cannot be told apart (RFC 4301 §4.1).
enum ManualKeyCheck {
    private struct Destination: Hashable {
        let remote: String
        let spi: SPI
    }

    static func run(_ connections: [ConnectionConfiguration], _ problems: Problems) {
        var inbound: [SPI: TunnelPath] = [:]
        var outbound: [Destination: TunnelPath] = [:]
        for connection in connections {
            for tunnel in connection.tunnels {
                guard let keys = tunnel.manualKeys else { continue }
                let spi = keys.inbound.spi
                if let other = inbound[spi.value] {
                    refuse(spi, "in", tunnel.path, other, problems)
                }
                inbound[spi.value] = inbound[spi.value] ?? tunnel.path
                let destination = Destination(
                    remote: connection.remoteAddressText,
                    spi: keys.outbound.spi.value
                )
                if let other = outbound[destination] {
                    refuse(keys.outbound.spi, "out", tunnel.path, other, problems)
                }
                outbound[destination] = outbound[destination] ?? tunnel.path
            }
        }
    }

    private static func refuse(
        _ spi: Located<SPI>,
        _ direction: String,
        _ path: TunnelPath,
        _ other: TunnelPath,
        _ problems: Problems
    ) {
        problems.error(
            at: spi.location,
            "SPI \(spi.value) of \(direction) of tunnel \"\(path)\" is that of tunnel \"\(other)\", and "
                + "packets say nothing but the SPI",
            hint: "choose another, and tell it the peer"
        )
    }
}
