package import IPsecCrypto
package import IPsecPrimitives

/// The keys of one IKE SA, for decoding a capture.
package struct ExposedKeys: Sendable {
    package let initiatorSPI: IKESPI
    package let responderSPI: IKESPI
    package let isLocalInitiator: Bool
    /// In the configuration's keywords.
    package let suite: String
    package let cipherSuite: CipherSuite
    package let keys: IKEKeys
}

extension IKEEngine {
    /// The keys of all IKE SAs that have any; nothing unless `EngineSettings.exposesKeys` is set.
    package var exposedKeys: [ExposedKeys] {
        guard settings.exposesKeys else { return [] }
        return sas.all().compactMap { sa in
            sa.keys.map { keys in
                ExposedKeys(
                    initiatorSPI: sa.initiatorSPI,
                    responderSPI: sa.responderSPI,
                    isLocalInitiator: sa.isOriginalInitiator,
                    suite: keys.suite.description,
                    cipherSuite: keys.suite.cipherSuite,
                    keys: keys.keys
                )
            }
        }
    }
}
