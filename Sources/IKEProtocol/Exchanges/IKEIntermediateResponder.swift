internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// IKE_INTERMEDIATE with additional key exchanges, the responder's side (RFC 9242 §3.2, RFC 9370
/// §2.2.2).
extension IKEEngine {
    /// Beyond the seven key exchanges that there can be: exchanges without one, which later
    /// extensions may want.
    private static let exchangeLimit: UInt32 = 16

    func receiveIntermediateRequest(
        _ request: Request,
        _ sa: IKESA,
        _ halfOpen: HalfOpen,
        at now: Instant
    ) {
        guard sa.agreed.contains(.intermediate), let opened = request.opened else {
            return counters.drop(.unexpectedExchange)
        }
        var state = halfOpen
        var payloads: [Payload] = []
        var secret: SecretBytes?
        if let method = state.remaining.first {
            guard let theirs = request.content.keyExchange, theirs.method == method,
                let answer = try? freshAnswer(method, to: theirs.data)
            else { return refuseIntermediate(method, request, sa, at: now) }
            let payload = KeyExchangePayload(method: method, data: answer.publicValue)
            payloads.append(.keyExchange(payload))
            secret = answer.secret
        } else if request.header.messageID > IKEEngine.exchangeLimit {
            return refuseIntermediate(nil, request, sa, at: now)
        }
        let content = ProtectedContent(payloads)
        let header = responseHeader(to: request, of: sa)
        respond(to: request, of: sa, header, content)
        state.authentication.add(
            request: opened.authenticatedOctets,
            response: OpenedMessage(header, content: content).authenticatedOctets,
            prf: state.keys.suite.prf,
            keys: state.keys.keys
        )
        if let secret {
            guard let keys = updatedKeys(state.keys, secret, state.transcript, of: sa) else {
                return
            }
            state.formerKeys = state.keys
            state.keys = keys
            state.remaining = state.remaining.dropFirst()
        }
        sa.state = .halfOpen(state)
    }

    /// draft-ietf-ipsecme-ikev2-mlkem-08 §2.2: an improper public key is rejected, and INVALID_SYNTAX
    /// sent.
    private func refuseIntermediate(
        _ method: KeyExchangeMethod?,
        _ request: Request,
        _ sa: IKESA,
        at now: Instant
    ) {
        respond(to: request, of: sa, [.notify(NotifyPayload(.invalidSyntax))])
        fail(sa, IntermediateFailure.wrongRequest(method, sa.connection), at: now)
    }
}
