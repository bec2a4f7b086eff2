internal import IPsecPrimitives

/// How the SAs of a tunnel carry its packets.
extension TunnelSection {
    static let carriageKeys = [
        "mode", "ah-proposals", "compression", "tfc-padding", "later-fragments", "fragmentation",
        "sa-per", "resources", "spread", "sa-per-dscp",
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
        carriage.populated = readPopulated(reader)
        carriage.resources = reader.value("resources", default: 1, NumberText.integer(1...64))
        carriage.isSpread = reader.value("spread", default: false, WordText.boolean)
        carriage.codePointSets = readCodePointSets(reader)
        tunnel.carriage = carriage
        checkPopulated(tunnel)
        checkCodePointSets(tunnel)
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
}
