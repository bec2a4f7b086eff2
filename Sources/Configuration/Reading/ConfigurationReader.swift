extension GatewayConfiguration {
    /// Reads and validates a whole configuration.
    ///
    /// - Parameters:
    ///   - bytes: the file's content.
    ///   - file: the file's name, for diagnostics; paths inside are relative to its directory.
    package static func read(_ bytes: [UInt8], file: String) -> ConfigurationResult {
        ConfigurationResult(configuration: nil, diagnostics: [])
    }
}
