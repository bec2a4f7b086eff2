internal import IKECredentials
internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// A postquantum preshared key of a connection (RFC 8784).
package struct PPKPolicy: Hashable, Sendable {
    /// PPK_ID behind its type, by which both ends name the key.
    package var identifier: [UInt8]
    /// Whether the IKE SA may not come up without it.
    package var isRequired: Bool
    /// `file:line`.
    package var source: String

    package init(identifier: [UInt8], isRequired: Bool, source: String) {
        self.identifier = identifier
        self.isRequired = isRequired
        self.source = source
    }

    /// PPK_ID_FIXED (RFC 8784 §5.1): a sequence of octets that both ends have been given.
    private static let fixed: UInt8 = 2

    /// The data of PPK_IDENTITY.
    var notify: NotifyPayload { NotifyPayload(.ppkIdentity, data: [PPKPolicy.fixed] + identifier) }

    /// Whether the peer means this key.
    func isNamed(by notify: NotifyPayload) -> Bool { notify.data == [PPKPolicy.fixed] + identifier }
}

extension IKEEngine {
    /// The key of a connection's policy.
    func presharedKey(of policy: PPKPolicy) -> SecretBytes? {
        credentials.postquantumKey(policy.identifier)
    }

    /// What the initiator authenticates with (RFC 8784 §3): the keys with the PPK, and the
    /// notifications that go with IKE_AUTH; nil where there is none to be used.
    ///
    /// - Throws: when one must be used and cannot.
    func mixedKeys(
        _ sa: IKESA,
        _ keys: SAKeys
    ) throws(NegotiationFailure) -> (keys: IKEKeys, policy: PPKPolicy)? {
        guard let policy = sa.connection.ppk else { return nil }
        guard sa.agreed.contains(.ppk), let key = presharedKey(of: policy) else {
            if policy.isRequired { throw PPKFailure.unsupported(policy) }
            return nil
        }
        return (keys.keys.mixed(with: key, prf: keys.suite.prf), policy)
    }

    /// What the responder verifies a peer with: the outcome of the table of RFC 8784 §3 for a
    /// connection that the peer may be of.
    func ppkUse(
        _ content: MessageContent,
        _ candidate: IKEConnection,
        _ sa: IKESA,
        _ keys: SAKeys
    ) throws(NegotiationFailure) -> PPKUse {
        guard sa.agreed.contains(.ppk) else {
            if let policy = candidate.ppk, policy.isRequired { throw PPKFailure.notUsed(policy) }
            return .none
        }
        guard let identity = content.notify(.ppkIdentity) else {
            throw PPKFailure.unnamed(candidate)
        }
        if let policy = candidate.ppk, policy.isNamed(by: identity),
            let key = presharedKey(of: policy)
        {
            return .mixed(keys.keys.mixed(with: key, prf: keys.suite.prf))
        }
        guard let code = content.notify(.noPPKAuth)?.data else {
            throw PPKFailure.unknown(identity, candidate)
        }
        if let policy = candidate.ppk, policy.isRequired {
            throw PPKFailure.unknown(identity, candidate)
        }
        return .left(authentication: code)
    }
}

/// How a responder treats the initiator's IKE_AUTH.
enum PPKUse {
    /// No PPK in play.
    case none
    /// With these keys, and PPK_IDENTITY in the answer.
    case mixed(IKEKeys)
    /// The initiator can do without: NO_PPK_AUTH stands in for AUTH.
    case left(authentication: [UInt8])
}

/// Words for postquantum preshared keys that do not meet.
enum PPKFailure {
    static func unsupported(_ policy: PPKPolicy) -> NegotiationFailure {
        failure(
            "The peer does not use a postquantum preshared key (RFC 8784), which is required here.",
            policy.source,
            "Give the peer the key of \(policy.source), or make it optional there."
        )
    }

    static func notUsed(_ policy: PPKPolicy) -> NegotiationFailure {
        failure(
            "The peer does not offer a postquantum preshared key (RFC 8784), which is required "
                + "here.",
            policy.source,
            "Give the peer the key of \(policy.source), or make it optional there."
        )
    }

    static func unnamed(_ connection: IKEConnection) -> NegotiationFailure {
        failure(
            "The peer agreed to a postquantum preshared key and names none.",
            connection.ppk?.source ?? connection.source,
            "The peer errs."
        )
    }

    static func unknown(
        _ identity: NotifyPayload,
        _ connection: IKEConnection
    ) -> NegotiationFailure {
        let name = String(decoding: identity.data.dropFirst(), as: UTF8.self)
        var failure = failure(
            "The peer names the postquantum preshared key \(printable(name)), which connection "
                + "\(connection.name) does not have.",
            connection.ppk?.source ?? connection.source,
            "Write the same id and secret at both ends, or make the key optional at both."
        )
        failure.offered = [printable(name)]
        failure.accepted =
            connection.ppk.map {
                [printable(String(decoding: $0.identifier, as: UTF8.self))]
            } ?? []
        return failure
    }

    static func refused(_ policy: PPKPolicy) -> NegotiationFailure {
        failure(
            "The peer does not have the postquantum preshared key of \(policy.source), which is "
                + "required here.",
            policy.source,
            "Write the same id and secret at both ends, or make the key optional at both."
        )
    }

    /// What the peer writes could trick a log.
    private static func printable(_ text: String) -> String {
        String(
            text.unicodeScalars.prefix(64).map {
                (0x20..<0x7f).contains($0.value) ? Character($0) : "?"
            }
        )
    }

    private static func failure(
        _ explanation: String,
        _ source: String,
        _ remedy: String
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .secret,
            explanation: explanation,
            source: source,
            remedy: remedy
        )
    }
}
