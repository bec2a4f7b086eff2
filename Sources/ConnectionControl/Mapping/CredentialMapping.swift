package import Configuration
package import IKECredentials
package import IPsecPrimitives

extension CredentialStore {
    /// Takes in the secret of a connection, for the pair of identities that it names.
    package mutating func addPresharedKey(
        _ key: SecretBytes,
        for connection: ConnectionConfiguration
    ) {
        addPresharedKey(
            key,
            local: IdentityPattern(connection.localIdentity.value),
            remote: IdentityPattern(connection.remoteIdentity.value)
        )
    }
}
