package import Configuration
internal import ConnectionControl
internal import IKECredentials

/// Every secret that a configuration names, read from its file.
package struct ConnectionSecrets: Sendable {
    let credentials: CredentialStore
    let manualKeys: ManualKeys

    /// A secret that cannot be used, and where the configuration names it.
    package struct Refused: Hashable, Sendable {
        package let location: SourceLocation
        package let refusal: SecretFile.Refusal
    }

    /// All that cannot be used, not only the first.
    package struct Refusals: Error, Hashable, Sendable {
        package let refused: [Refused]
    }

    package init(reading configuration: GatewayConfiguration) throws(Refusals) {
        var credentials = CredentialStore()
        var refused: [Refused] = []
        for connection in configuration.connections {
            guard let file = connection.secretFile else { continue }
            do throws(SecretFile.Refusal) {
                let secret = try SecretFile.load(file.value)
                credentials.addPresharedKey(secret, for: connection)
            } catch {
                refused.append(Refused(location: file.location, refusal: error))
            }
        }
        for ppk in configuration.connections.compactMap(\.establishment.ppk) {
            do throws(SecretFile.Refusal) {
                credentials.addPostquantumKey(
                    try SecretFile.load(ppk.secretFile.value),
                    identifier: Array(ppk.identifier.utf8)
                )
            } catch {
                refused.append(Refused(location: ppk.secretFile.location, refusal: error))
            }
        }
        let manualKeys = ManualKeyFiles.load(configuration, &refused)
        guard refused.isEmpty else { throw Refusals(refused: refused) }
        self.credentials = credentials
        self.manualKeys = manualKeys
    }
}

extension ConnectionConfiguration {
    /// The files with secrets that it names.
    var secretFiles: [String] {
        let keys = tunnels.compactMap(\.manualKeys).flatMap {
            $0.inbound.keyFiles + $0.outbound.keyFiles
        }
        return ([secretFile, establishment.ppk?.secretFile].compactMap(\.self) + keys).map(\.value)
    }
}
