package import Configuration
internal import IPsecPrimitives

/// What `cygnet check --json` prints.
package struct CheckReport: Codable, Equatable, Sendable {
    package struct Finding: Codable, Equatable, Sendable {
        /// `error` or `warning`.
        package var severity: String
        package var file: String
        package var line: Int
        package var column: Int
        package var message: String
        package var hint: String
    }

    package struct Policy: Codable, Equatable, Sendable {
        /// From 1; the first that fits decides.
        package var order: Int
        /// `protect`, `bypass` or `discard`.
        package var action: String
        /// `connection/tunnel`, for `protect`.
        package var tunnel: String?
        package var local: [String]
        package var remote: [String]
        package var line: Int
    }

    /// A tunnel that routing chooses.
    package struct Interface: Codable, Equatable, Sendable {
        package var name: String
        /// `connection/tunnel`.
        package var tunnel: String
        package var addresses: [String]
        package var routes: [String]
        package var local: [String]
        package var remote: [String]
        package var line: Int
    }

    package var schema = 1
    package var file: String
    package var valid: Bool
    package var findings: [Finding]
    /// Absent when the configuration is not valid.
    package var policies: [Policy]?
    /// Of route-based tunnels, behind the policies; absent where there are none.
    package var interfaces: [Interface]?
    /// `bypass` or `discard`; absent when the configuration is not valid.
    package var defaultPolicy: String?

    package init(_ result: ConfigurationResult, file: String) {
        self.file = file
        valid = result.configuration != nil
        findings = result.diagnostics.map {
            Finding(
                severity: $0.severity.rawValue,
                file: $0.location.file,
                line: $0.location.line,
                column: $0.location.column,
                message: $0.message,
                hint: $0.hint
            )
        }
        policies = result.configuration?.policies.enumerated().map(CheckReport.policy)
        let tunnels = result.configuration?.routeBasedTunnels ?? []
        interfaces = tunnels.isEmpty ? nil : tunnels.compactMap(CheckReport.interface)
        defaultPolicy = result.configuration?.settings.defaultPolicy.rawValue
    }

    private static func interface(_ tunnel: TunnelConfiguration) -> Interface? {
        tunnel.interface.map {
            Interface(
                name: $0.name.value,
                tunnel: tunnel.path.description,
                addresses: $0.addresses.map(\.value.description),
                routes: $0.routes.map(\.value.description),
                local: tunnel.local.map(\.value.description),
                remote: tunnel.remote.map(\.value.description),
                line: tunnel.location.line
            )
        }
    }

    private static func policy(_ index: Int, _ policy: PolicyConfiguration) -> Policy {
        let (action, tunnel): (String, String?) =
            switch policy.action {
            case .protect(let path): ("protect", path.description)
            case .bypass: ("bypass", nil)
            case .discard: ("discard", nil)
            }
        return Policy(
            order: index + 1,
            action: action,
            tunnel: tunnel,
            local: policy.local.map(\.description),
            remote: policy.remote.map(\.description),
            line: policy.location.line
        )
    }
}
