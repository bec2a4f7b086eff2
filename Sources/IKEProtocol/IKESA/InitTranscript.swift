internal import IKECredentials
internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// What IKE_SA_INIT leaves behind for AUTH (RFC 7296 §2.15).
struct InitTranscript {
    var initiatorMessage: [UInt8]
    let responderMessage: [UInt8]
    let initiatorNonce: [UInt8]
    let responderNonce: [UInt8]
    /// Whether each end signs both messages, so that nobody can have changed either on its way
    /// (draft-ietf-ipsecme-ikev2-downgrade-prevention-08 §6).
    let isSignedInFull: Bool
    /// IntAuth of RFC 9242 §3.3.2; empty where no IKE_INTERMEDIATE took place.
    var intermediate: [UInt8] = []

    /// ZeroPrefix of the draft, which no IKE_SA_INIT message begins with: it would be its SPIi.
    private static let zeroPrefix = [UInt8](repeating: 0, count: 8)

    /// What the initiator signs.
    func signedByInitiator(
        _ identity: IdentificationPayload,
        keys: IKEKeys
    ) -> PresharedKeyAuthentication.SignedOctets {
        PresharedKeyAuthentication.SignedOctets(
            message: isSignedInFull
                ? InitTranscript.zeroPrefix + responderMessage + initiatorMessage
                : initiatorMessage,
            peerNonce: responderNonce,
            identityBody: identity.body,
            authenticationKey: keys.authenticationInitiator,
            intermediate: intermediate
        )
    }

    /// What the responder signs.
    func signedByResponder(
        _ identity: IdentificationPayload,
        keys: IKEKeys
    ) -> PresharedKeyAuthentication.SignedOctets {
        PresharedKeyAuthentication.SignedOctets(
            message: isSignedInFull
                ? InitTranscript.zeroPrefix + initiatorMessage + responderMessage
                : responderMessage,
            peerNonce: initiatorNonce,
            identityBody: identity.body,
            authenticationKey: keys.authenticationResponder,
            intermediate: intermediate
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
