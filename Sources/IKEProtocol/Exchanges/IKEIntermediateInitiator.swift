internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// IKE_INTERMEDIATE with additional key exchanges, the initiator's side (RFC 9242 §3.2, RFC 9370
/// §2.2.2).
///
///     HDR, SK {KEi(n)}  -->
///                       <--  HDR, SK {KEr(n)}
extension IKEEngine {
    /// The next additional key exchange, or IKE_AUTH when there is none left.
    func exchangeKeys(
        _ methods: ArraySlice<KeyExchangeMethod>,
        _ sa: IKESA,
        _ keys: SAKeys,
        _ transcript: InitTranscript,
        _ authentication: IntermediateAuthentication = IntermediateAuthentication(),
        wanted: [IKEEvent.Initiation],
        at now: Instant
    ) {
        guard let method = methods.first else {
            var transcript = transcript
            transcript.intermediate = authentication.octets(
                authMessageID: sa.requests.nextMessageID
            )
            return startAuthentication(sa, keys, transcript, wanted: wanted, at: now)
        }
        let header = requestHeader(.ikeIntermediate, of: sa)
        guard let keyPair = try? freshKeyPair(method) else {
            return fail(sa, IntermediateFailure.noKeyPair(method, sa.connection), at: now)
        }
        let content = ProtectedContent([
            .keyExchange(KeyExchangePayload(method: method, data: keyPair.publicValue))
        ])
        sa.state = .exchangingKeys(
            ExchangingKeys(
                keys: keys,
                transcript: transcript,
                keyPair: keyPair,
                request: OpenedMessage(header, content: content),
                remaining: methods.dropFirst(),
                authentication: authentication,
                wanted: wanted
            )
        )
        guard let message = seal(header, content, with: keys, of: sa) else { return }
        request(.ikeIntermediate, message, of: sa, at: now)
    }

    func receiveIntermediateResponse(
        _ content: MessageContent,
        _ response: OpenedMessage,
        _ sa: IKESA,
        _ state: ExchangingKeys,
        at now: Instant
    ) {
        guard let theirs = content.keyExchange, theirs.method == state.keyPair.method else {
            let failure =
                content.error.map { IntermediateFailure.refused($0, state, sa.connection) }
                ?? IntermediateFailure.unexpectedAnswer(state, sa.connection)
            return fail(sa, failure, at: now)
        }
        // draft-ietf-ipsecme-ikev2-mlkem-08 §2.2: with a ciphertext that is none, the initiator
        // "MUST fail the exchange, log the error, and stop creating the SA".
        guard let secret = try? state.keyPair.sharedSecret(with: theirs.data),
            let keys = updatedKeys(state.keys, secret, state.transcript, of: sa)
        else {
            return fail(sa, IntermediateFailure.wrongValue(state, sa.connection), at: now)
        }
        var authentication = state.authentication
        authentication.add(
            request: state.request.authenticatedOctets,
            response: response.authenticatedOctets,
            prf: state.keys.suite.prf,
            keys: state.keys.keys
        )
        exchangeKeys(
            state.remaining,
            sa,
            keys,
            state.transcript,
            authentication,
            wanted: state.wanted,
            at: now
        )
    }

    /// SKEYSEED(n) = prf(SK_d(n-1), SK(n) | Ni | Nr) and the keys from it (RFC 9370 §2.2.2).
    func updatedKeys(
        _ keys: SAKeys,
        _ secret: SecretBytes,
        _ transcript: InitTranscript,
        of sa: IKESA
    ) -> SAKeys? {
        SAKeys(
            suite: keys.suite,
            secret: secret,
            isOriginalInitiator: sa.isOriginalInitiator,
            context: IKEKeys.Context(
                nonceInitiator: transcript.initiatorNonce,
                nonceResponder: transcript.responderNonce,
                spiInitiator: sa.initiatorSPI,
                spiResponder: sa.responderSPI
            ),
            replacing: keys
        )
    }
}

/// Words for additional key exchanges that fail.
enum IntermediateFailure {
    static func noKeyPair(
        _ method: KeyExchangeMethod,
        _ connection: IKEConnection
    ) -> NegotiationFailure {
        failure("The library makes no key pair for \(name(method)).", connection)
    }

    static func refused(
        _ error: NotifyPayload,
        _ state: ExchangingKeys,
        _ connection: IKEConnection
    ) -> NegotiationFailure {
        failure(
            "The peer agreed to \(name(state.keyPair.method)) as an additional key exchange and "
                + "refuses our value for it with \(error.type).",
            connection
        )
    }

    static func unexpectedAnswer(
        _ state: ExchangingKeys,
        _ connection: IKEConnection
    ) -> NegotiationFailure {
        failure(
            "The peer's answer in IKE_INTERMEDIATE is not one of \(name(state.keyPair.method)), "
                + "which it agreed to.",
            connection
        )
    }

    static func wrongValue(
        _ state: ExchangingKeys,
        _ connection: IKEConnection
    ) -> NegotiationFailure {
        failure(
            "The peer's value for \(name(state.keyPair.method)) is not one of that method.",
            connection
        )
    }

    static func wrongRequest(
        _ method: KeyExchangeMethod?,
        _ connection: IKEConnection
    ) -> NegotiationFailure {
        failure(
            method.map {
                "The peer's IKE_INTERMEDIATE lacks a right value for \(name($0)), which was agreed."
            } ?? "The peer sends more IKE_INTERMEDIATE messages than make sense.",
            connection
        )
    }

    private static func name(_ method: KeyExchangeMethod) -> String {
        ProposalKeyword.name(of: .keyExchange(method))
    }

    private static func failure(
        _ explanation: String,
        _ connection: IKEConnection
    ) -> NegotiationFailure {
        let source = connection.proposals.first { $0.proposal.hasAdditionalKeyExchanges }?.source
        return NegotiationFailure(
            subject: .keyExchange,
            explanation: explanation,
            source: source ?? connection.source,
            remedy: "One of the two implementations errs; a proposal without ke1_… at "
                + "\(source ?? connection.source) avoids it."
        )
    }
}
