internal import IKECredentials
internal import IKEMessages
internal import IPsecPrimitives

extension NotifyType {
    /// Of the errors in IKE_AUTH these alone end the IKE SA, without a Delete (RFC 7296 §2.21.2);
    /// with any other, only what was to come with it is not made.
    var isFatal: Bool {
        switch self {
        case .unsupportedCriticalPayload, .invalidSyntax, .authenticationFailed: true
        default: false
        }
    }
}

/// Words for the peer's errors in the answer to IKE_AUTH.
enum AuthRefusal {
    static func explain(
        _ error: NotifyPayload,
        _ connection: IKEConnection
    ) -> NegotiationFailure {
        guard error.type == .authenticationFailed else {
            return NegotiationFailure(
                subject: .refusedByPeer,
                explanation: "The peer refused IKE_AUTH with \(error.type).",
                source: connection.source,
                remedy: "Look in the peer's log for the reason."
            )
        }
        return NegotiationFailure(
            subject: .refusedByPeer,
            explanation: "The peer does not believe that we are \(connection.localIdentity), or "
                + "expects others than \(connection.localIdentity) and "
                + "\(connection.remoteIdentity) here, or takes the IKE proposal that it chose for "
                + "another of its connections only (AUTHENTICATION_FAILED).",
            offered: [
                "local \(connection.localIdentity), remote \(connection.remoteIdentity)"
            ],
            source: connection.secretSource,
            remedy: "Compare the secret at \(connection.secretSource) and the identities at "
                + "\(connection.localIdentitySource) with the peer's; its log says which differs."
        )
    }

    static func incomplete(hasEAP: Bool, _ connection: IKEConnection) -> NegotiationFailure {
        NegotiationFailure(
            subject: .refusedByPeer,
            explanation: hasEAP
                ? "The peer wants EAP; this connection has a shared secret."
                : "The peer's answer to IKE_AUTH lacks its identity or proof.",
            source: connection.source,
            remedy: "Let the peer authenticate by a shared secret."
        )
    }
}

/// Words for identities and secrets that do not fit.
enum SecretFailure {
    static func none(
        local: Identity,
        remote: IdentityPattern,
        _ connection: IKEConnection
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .secret,
            explanation: "There is no shared secret for \(local) and \(remote).",
            source: connection.secretSource,
            remedy: "Give connection \(connection.name) a secret at \(connection.secretSource)."
        )
    }

    static func wrong(of identity: Identity, _ connection: IKEConnection) -> NegotiationFailure {
        NegotiationFailure(
            subject: .secret,
            explanation: "\(identity) holds another shared secret than we do.",
            source: connection.secretSource,
            remedy: "Put the same secret at \(connection.secretSource) and at the peer; a line "
                + "break or a space at its end counts."
        )
    }

    static func otherIdentity(
        _ identity: Identity,
        _ connection: IKEConnection
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .identity,
            explanation: "The peer says that it is \(identity), not \(connection.remoteIdentity).",
            offered: [identity.description],
            accepted: [connection.remoteIdentity.description],
            source: connection.remoteIdentitySource,
            remedy: "Write \(identity) as the remote identity at "
                + "\(connection.remoteIdentitySource), or correct the peer's own identity."
        )
    }

    static func otherMethod(
        _ method: AuthenticationMethod,
        _ connection: IKEConnection
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .secret,
            explanation: "The peer proves its identity by \(method), not by a shared secret.",
            offered: [method.description],
            accepted: [AuthenticationMethod.sharedKey.description],
            source: connection.secretSource,
            remedy: "Let the peer authenticate by a shared secret."
        )
    }
}
