/// A whole configuration, validated: every reference resolves and every value is in range.
package struct GatewayConfiguration: Equatable, Sendable {
    /// The file's name, as it was given to the reader.
    package let file: String
    package let settings: GatewaySettings
    /// In the order of the file.
    package let connections: [ConnectionConfiguration]
    /// The policy database, first match first; it ends before `settings.defaultPolicy`.
    package let policies: [PolicyConfiguration]

    package init(
        file: String,
        settings: GatewaySettings,
        connections: [ConnectionConfiguration],
        policies: [PolicyConfiguration]
    ) {
        self.file = file
        self.settings = settings
        self.connections = connections
        self.policies = policies
    }

    package func connection(named name: String) -> ConnectionConfiguration? {
        connections.first { $0.name == name }
    }

    package func tunnel(_ path: TunnelPath) -> TunnelConfiguration? {
        connection(named: path.connection)?.tunnels.first { $0.path == path }
    }
}

/// The outcome of reading a configuration.
package struct ConfigurationResult: Equatable, Sendable {
    /// Nil when a diagnostic is an error.
    package let configuration: GatewayConfiguration?
    /// Every error and warning, in the order of the file.
    package let diagnostics: [Diagnostic]

    package init(configuration: GatewayConfiguration?, diagnostics: [Diagnostic]) {
        self.configuration = configuration
        self.diagnostics = diagnostics
    }

    package var errors: [Diagnostic] { diagnostics.filter { $0.severity == .error } }
    package var warnings: [Diagnostic] { diagnostics.filter { $0.severity == .warning } }
}
