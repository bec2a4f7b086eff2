internal import IPsecPrimitives

/// Selectors that each SA of a tunnel takes from its packet (RFC 4301 §4.4.1).
extension TunnelSection {
    /// What stands in the list.
    private enum Word: String, CaseIterable {
        case localAddress = "local-address"
        case remoteAddress = "remote-address"
        case ipProtocol = "protocol"
        case localPort = "local-port"
        case remotePort = "remote-port"

        var selectors: PopulatedSelectors {
            switch self {
            case .localAddress: .localAddress
            case .remoteAddress: .remoteAddress
            case .ipProtocol: .ipProtocol
            case .localPort: .localPort
            case .remotePort: .remotePort
            }
        }
    }

    func readPopulated(_ reader: MappingReader) -> Located<PopulatedSelectors> {
        let words =
            reader.list("sa-per", atMost: Word.allCases.count, WordText.oneOf(Word.self)) ?? []
        return Located(
            words.reduce(into: []) { $0.formUnion($1.value.selectors) },
            at: words.first?.location ?? reader.location
        )
    }

    func checkPopulated(_ tunnel: TunnelConfiguration) {
        let populated = tunnel.carriage.populated
        guard !populated.value.isEmpty else { return }
        if tunnel.start.value == .atBoot, !isOfOne(populated.value, tunnel) {
            problems.error(
                at: tunnel.start.location,
                "tunnel \"\(tunnel.path)\" has an SA for each \(populated.value), and at boot there "
                    + "is no packet to name one",
                hint: "write `start: on-traffic`, or remove sa-per"
            )
        }
        if tunnel.carriage.resources.value > 1 {
            problems.error(
                at: populated.location,
                "tunnel \"\(tunnel.path)\" wants an SA for each \(populated.value) and several SAs "
                    + "of the same traffic",
                hint: "remove sa-per or resources"
            )
        }
    }

    /// Whether the tunnel's own selectors name one value of each.
    private func isOfOne(_ populated: PopulatedSelectors, _ tunnel: TunnelConfiguration) -> Bool {
        func addresses(_ side: [Located<TrafficSelector>]) -> Set<IPAddress> {
            Set(side.flatMap { [$0.value.first, $0.value.last] })
        }
        if populated.contains(.localAddress), addresses(tunnel.local).count > 1 { return false }
        if populated.contains(.remoteAddress), addresses(tunnel.remote).count > 1 { return false }
        return !populated.contains(.ipProtocol)
    }
}
