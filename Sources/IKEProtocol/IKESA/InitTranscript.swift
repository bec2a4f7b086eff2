internal import IKECredentials
internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// What IKE_SA_INIT leaves behind for AUTH (RFC 7296 §2.15).
struct InitTranscript {
    let initiatorMessage: [UInt8]
    let responderMessage: [UInt8]
    let initiatorNonce: [UInt8]
    let responderNonce: [UInt8]

    /// What the initiator signs.
    func signedByInitiator(
        _ identity: IdentificationPayload,
        keys: SAKeys
    ) -> PresharedKeyAuthentication.SignedOctets {
        PresharedKeyAuthentication.SignedOctets(
            message: initiatorMessage,
            peerNonce: responderNonce,
            identityBody: identity.body,
            authenticationKey: keys.keys.authenticationInitiator
        )
    }

    /// What the responder signs.
    func signedByResponder(
        _ identity: IdentificationPayload,
        keys: SAKeys
    ) -> PresharedKeyAuthentication.SignedOctets {
        PresharedKeyAuthentication.SignedOctets(
            message: responderMessage,
            peerNonce: initiatorNonce,
            identityBody: identity.body,
            authenticationKey: keys.keys.authenticationResponder
        )
    }
}

extension IdentificationPayload {
    init(_ identity: Identity) {
        self.init(
            type: IdentificationType(rawValue: identity.wireType),
            data: identity.wireContent
        )
    }

    var identity: Identity { Identity(wireType: type.rawValue, content: data) }
}
