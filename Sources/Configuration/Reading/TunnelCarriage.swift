internal import IPsecPrimitives

/// How the SAs of a tunnel carry its packets.
extension TunnelSection {
    static let carriageKeys = [
        "mode", "ah-proposals", "compression", "tfc-padding", "later-fragments", "fragmentation",
        "sa-per-pair", "resources",
    ]

    func readCarriage(_ reader: MappingReader, into tunnel: inout TunnelConfiguration) {
        var carriage = tunnel.carriage
        carriage.mode = reader.value(
            "mode",
            default: .tunnel,
            WordText.oneOf(CarriageConfiguration.Mode.self)
        )
        carriage.ahProposals =
            reader.list("ah-proposals", atMost: ConfigurationLimits.proposals, ProposalText.ah)
            ?? []
        // Who names AH and no ESP wants AH.
        if !carriage.ahProposals.isEmpty, reader.node("esp-proposals") == nil {
            tunnel.espProposals = []
        }
        carriage.compression = readCompression(reader)
        carriage.padding = reader.value(
            "tfc-padding",
            default: .accept,
            WordText.oneOf(CarriageConfiguration.Padding.self)
        )
        carriage.laterFragments = reader.value(
            "later-fragments",
            default: false,
            WordText.boolean
        )
        carriage.fragmentation = reader.value(
            "fragmentation",
            default: .before,
            WordText.oneOf(CarriageConfiguration.Fragmentation.self)
        )
        checkFragmentation(carriage.fragmentation, tunnel)
        carriage.isPerPair = reader.value("sa-per-pair", default: false, WordText.boolean)
        carriage.resources = reader.value("resources", default: 1, NumberText.integer(1...64))
        tunnel.carriage = carriage
        checkPairs(tunnel)
    }

    private func readCompression(
        _ reader: MappingReader
    ) -> [Located<CarriageConfiguration.Compression>] {
        let algorithms = CarriageConfiguration.Compression.self
        let words =
            reader.list("compression", atMost: algorithms.allCases.count) {
                (text) throws(Complaint) -> CarriageConfiguration.Compression? in
                if text == "off" || text == "false" { return nil }
                return try WordText.oneOf(algorithms)(text)
            } ?? []
        return words.compactMap { word in word.value.map { Located($0, at: word.location) } }
    }

    /// A bit that forbids what is asked for.
    private func checkFragmentation(
        _ fragmentation: Located<CarriageConfiguration.Fragmentation>,
        _ tunnel: TunnelConfiguration
    ) {
        guard fragmentation.value == .after, tunnel.dontFragment.value == .set else { return }
        problems.error(
            at: fragmentation.location,
            "tunnel \"\(tunnel.path)\" fragments what is protected already, and `df: set` forbids "
                + "that",
            hint: "write `df: copy` or `df: clear`, or remove fragmentation"
        )
    }

    private func checkPairs(_ tunnel: TunnelConfiguration) {
        guard tunnel.carriage.isPerPair.value else { return }
        let location = tunnel.carriage.isPerPair.location
        let isOnePair =
            Set(tunnel.local.flatMap { [$0.value.first, $0.value.last] }).count == 1
            && Set(tunnel.remote.flatMap { [$0.value.first, $0.value.last] }).count == 1
        if tunnel.start.value == .atBoot, !isOnePair {
            problems.error(
                at: tunnel.start.location,
                "tunnel \"\(tunnel.path)\" has an SA for each pair of addresses, and at boot there "
                    + "is no packet to name a pair",
                hint: "write `start: on-traffic`, or remove sa-per-pair"
            )
        }
        if tunnel.carriage.resources.value > 1 {
            problems.error(
                at: location,
                "tunnel \"\(tunnel.path)\" wants an SA for each pair of addresses and several SAs "
                    + "of the same traffic",
                hint: "remove sa-per-pair or resources"
            )
        }
    }
}
