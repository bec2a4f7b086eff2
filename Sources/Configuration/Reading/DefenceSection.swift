/// Reads `defence:` of `gateway:`.
enum DefenceSection {
    static let keys = [
        "half-open-per-address", "half-open-per-network", "puzzle-difficulty", "puzzle-limit",
    ]
    /// RFC 8019 §4.4: eight bits are too easy; more than thirty take hours.
    private static let difficulty = 8...30

    static func read(_ node: YAMLNode, _ problems: Problems) -> DefenceSettings {
        var settings = DefenceSettings()
        guard
            let reader = MappingReader(
                node,
                subject: "defence",
                keys: keys,
                problems: problems
            )
        else { return settings }
        settings.halfOpenPerAddress =
            reader.value(
                "half-open-per-address",
                default: settings.halfOpenPerAddress,
                NumberText.integer(1...1_000_000)
            ).value
        settings.halfOpenPerNetwork =
            reader.value(
                "half-open-per-network",
                default: max(settings.halfOpenPerNetwork, settings.halfOpenPerAddress),
                NumberText.integer(1...1_000_000)
            ).value
        settings.puzzleDifficulty =
            reader.value(
                "puzzle-difficulty",
                default: settings.puzzleDifficulty,
                NumberText.integer(difficulty, orWord: "off")
            ).value
        settings.puzzleLimit =
            reader.value(
                "puzzle-limit",
                default: settings.puzzleLimit,
                NumberText.integer(0...difficulty.upperBound)
            ).value
        if settings.halfOpenPerAddress > settings.halfOpenPerNetwork {
            problems.error(
                at: reader.location(of: "half-open-per-network"),
                "half-open-per-network (\(settings.halfOpenPerNetwork)) is below "
                    + "half-open-per-address (\(settings.halfOpenPerAddress))",
                hint: "a network holds many addresses: give it at least as many"
            )
        }
        return settings
    }
}
