package import Configuration
package import IKEProtocol

extension EngineSettings {
    /// The engine's limits as the configuration has them.
    package init(_ configuration: GatewayConfiguration) {
        self.init()
        let settings = configuration.settings
        ikePort = settings.ikePort
        natTraversalPort = settings.natPort
        cookieThreshold = settings.cookieThreshold
        halfOpenLimit = settings.halfOpenLimit
        let defence = settings.defence
        halfOpenLimitPerAddress = defence.halfOpenPerAddress
        halfOpenLimitPerNetwork = defence.halfOpenPerNetwork
        cookieThresholdPerAddress = max(1, defence.halfOpenPerAddress / 4)
        puzzleThresholdPerAddress = max(1, defence.halfOpenPerAddress / 2)
        puzzleDifficulty = defence.puzzleDifficulty.map { UInt8($0) }
        puzzleLimit = UInt8(defence.puzzleLimit)
    }
}
