extension GatewayConfiguration {
    /// The size of the largest file that is read, in bytes.
    package static let maximumBytes = YAMLLimits.bytes

    /// Reads and validates a whole configuration.
    ///
    /// - Parameters:
    ///   - bytes: the file's content.
    ///   - file: the file's name, for diagnostics; paths inside are relative to its directory.
    ///   - ability: of the packet path that is to carry it.
    package static func read(
        _ bytes: [UInt8],
        file: String,
        carriedBy ability: PacketPathAbility = .userspace
    ) -> ConfigurationResult {
        do throws(Diagnostic) {
            let document = try YAMLEventReader.document(bytes, file: file)
            return ConfigurationReader(file: file, ability: ability).read(document)
        } catch {
            return ConfigurationResult(configuration: nil, diagnostics: [error])
        }
    }
}

/// Reads the top of the document and puts the sections together.
struct ConfigurationReader {
    static let keys = ["gateway", "connections", "policies"]

    let file: String
    let ability: PacketPathAbility
    let problems = Problems()

    func read(_ document: YAMLNode) -> ConfigurationResult {
        var configuration: GatewayConfiguration?
        if case .null = document.content {
            problems.error(
                at: document.location,
                "the configuration is empty",
                hint: "begin with `connections:`; Examples/site-to-site shows a whole one"
            )
        } else if let reader = MappingReader(
            document,
            subject: "the configuration",
            keys: ConfigurationReader.keys,
            problems: problems
        ) {
            configuration = read(reader)
        }
        return ConfigurationResult(
            configuration: problems.hasErrors ? nil : configuration,
            diagnostics: problems.sorted
        )
    }

    private func read(_ reader: MappingReader) -> GatewayConfiguration {
        let settings =
            reader.node("gateway").map { GatewaySection.read($0, problems) }
            ?? GatewaySettings(location: reader.location)
        let connections = readConnections(reader, settings)
        let policies = PolicySection(connections: connections, problems: problems)
            .read(reader.node("policies"))
        MTUCheck.run(settings, connections, problems)
        ManualKeyCheck.run(connections, problems)
        FirstKeyExchangeCheck.run(connections, problems)
        TrafficCheck.run(settings, connections, problems)
        SpreadCheck.run(settings, connections, problems)
        CarriageCheck.run(connections, ability, problems)
        InterfaceCheck.run(settings, connections, policies, problems)
        if !problems.hasErrors {
            PeerCheck.run(connections.filter { !$0.isManual }, problems)
            ShadowCheck.run(policies, problems)
            LocalTrafficCheck.run(policies, problems)
        }
        return GatewayConfiguration(
            file: file,
            settings: settings,
            connections: connections,
            policies: policies
        )
    }

    private func readConnections(
        _ reader: MappingReader,
        _ settings: GatewaySettings
    ) -> [ConnectionConfiguration] {
        guard let node = reader.node("connections") else {
            reader.reportMissing(
                "connections",
                hint: "write `connections:` with a name for the peer below it"
            )
            return []
        }
        guard
            let entries = MappingReader.entries(
                of: node,
                subject: "connections",
                problems: problems
            )
        else { return [] }
        let limit = ConfigurationLimits.connections
        if entries.isEmpty || entries.count > limit {
            problems.error(
                at: node.location,
                "connections has \(entries.count) entries",
                hint: "write 1 to \(limit)"
            )
        }
        return entries.prefix(limit).compactMap { entry in
            guard NameCheck.passes(entry, "connection", problems) else { return nil }
            return ConnectionSection(
                name: entry.key,
                settings: settings,
                directory: directory,
                problems: problems
            ).read(entry)
        }
    }

    /// Everything up to the last slash of the file's name.
    private var directory: String {
        file.lastIndex(of: "/").map { String(file[...$0]) } ?? ""
    }
}
