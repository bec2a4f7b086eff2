internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// IKE_SA_INIT, the initiator's side (RFC 7296 §1.2).
///
///     HDR, SAi1, KEi, Ni  -->
///                         <--  HDR, SAr1, KEr, Nr
extension IKEEngine {
    /// How often a peer may send us back to the beginning: a COOKIE, a puzzle, another method, and
    /// once more each, for a responder that restarted meanwhile.
    private static let restartLimit = 6
    /// How long an error that nobody vouches for waits for a better answer.
    private static let refusalPatience: Duration = .seconds(1)

    func startIKESA(
        for initiation: IKEEvent.Initiation,
        _ connection: IKEConnection,
        insteadOf old: IKESA? = nil,
        mayResume: Bool = true,
        isUDPTried: Bool = false,
        at now: Instant
    ) {
        let path: IKEPath
        let keyPair: KeyExchangeKeyPair
        do {
            path =
                if let old {
                    self.path(insteadOf: old, isUDPTried: isUDPTried)
                } else {
                    try self.path(for: initiation, connection)
                }
            try requireSecret(connection, remote: path.remote.address)
            // A new proof of identity, or another gateway, is nothing to be resumed; and by TCP, which
            // stands in for UDP, all begins from scratch.
            if mayResume, old == nil, path.transport == .udp, initiation.redirectedFrom == nil,
                let ticket = usableTicket(connection, to: path.remote.address, at: now)
            {
                return startResumption(
                    with: ticket,
                    for: initiation,
                    connection,
                    along: path,
                    at: now
                )
            }
            keyPair = try firstKeyPair(connection)
        } catch {
            return refuse(initiation, error)
        }
        let offer = ProposalSelection.offer(connection.proposals, for: .ikeSA, spi: [])
        let state = Initiating(
            keyPair: keyPair,
            nonce: freshNonce(),
            offer: offer,
            request: [],
            wanted: [initiation]
        )
        let sa = IKESA(
            localSPI: freshIKESPI(),
            peerSPI: .zero,
            isOriginalInitiator: true,
            connection: connection,
            path: path,
            state: .initiating(state),
            now: now
        )
        // An address that we do not know arrives changed: the same as a forged one.
        sa.nat.isForced =
            path.transport == .udp
            && (connection.encapsulation == .udp || path.local.address.isUnspecified)
        if let old { sa.retires = [old.localSPI] }
        sas.insert(sa)
        // RFC 9329 §6.5: what the first message says of ports is known once it is open.
        if path.transport == .tcp {
            return openStream(for: sa, from: path.local.address, at: now)
        }
        sendInitRequest(sa, state, at: now)
    }

    /// From one end to the other as an IKE SA goes; by TCP, along a connection of its own.
    private func path(insteadOf old: IKESA, isUDPTried: Bool) -> IKEPath {
        var path = old.path
        if isUDPTried {
            path.transport = .udp
            path.remote.port = settings.ikePort
            path.local.port = settings.ikePort
        } else if path.transport == .tcp {
            path.local.port = 0
            path.remote.port = old.connection.transport.port
        }
        return path
    }

    private func path(
        for initiation: IKEEvent.Initiation,
        _ connection: IKEConnection
    ) throws(NegotiationFailure) -> IKEPath {
        guard let remote = initiation.remoteAddress ?? connection.remoteAddress else {
            throw NegotiationFailure(
                subject: .connection,
                explanation: "Connection \(connection.name) names no address of the peer.",
                source: connection.source,
                remedy: "Give the remote address at \(connection.source), or let the peer begin."
            )
        }
        let local =
            initiation.localAddress ?? connection.localAddress ?? .unspecified(remote.version)
        let transport =
            initiation.transport ?? (connection.transport.choice == .tcp ? .tcp : .udp)
        if transport == .tcp {
            return IKEPath(
                local: Endpoint(address: local, port: 0),
                remote: Endpoint(address: remote, port: connection.transport.port),
                transport: .tcp
            )
        }
        return IKEPath(
            local: Endpoint(address: local, port: settings.ikePort),
            remote: Endpoint(address: remote, port: settings.ikePort)
        )
    }

    private func firstKeyPair(
        _ connection: IKEConnection
    ) throws(NegotiationFailure) -> KeyExchangeKeyPair {
        let method = connection.proposals.lazy.compactMap { configured in
            configured.proposal.keyExchangeMethods.first
        }.first
        do {
            return try freshKeyPair(method ?? .none)
        } catch {
            throw NegotiationFailure(
                subject: .ikeProposal,
                explanation: "Connection \(connection.name) offers no key exchange to begin with.",
                source: connection.proposals.first?.source ?? connection.source,
                remedy: "Add a method such as x25519 to the proposals."
            )
        }
    }

    func sendInitRequest(_ sa: IKESA, _ initiating: Initiating, at now: Instant) {
        var state = initiating
        var payloads: [Payload] = []
        if let cookie = state.cookie {
            payloads.append(.notify(NotifyPayload(.cookie, data: cookie)))
        }
        if let solution = state.solution { payloads.append(.puzzleSolution(solution)) }
        payloads += [
            .securityAssociation(state.offer),
            .keyExchange(
                KeyExchangePayload(method: state.keyPair.method, data: state.keyPair.publicValue)
            ),
            .nonce(NoncePayload(nonce: state.nonce)),
        ]
        payloads += NATDetection.notifies(
            initiatorSPI: sa.localSPI,
            responderSPI: .zero,
            path: sa.path,
            isForged: sa.nat.isForced,
            random: &random
        )
        payloads += supportNotifies(sa.connection)
        payloads += redirectSupport(sa, from: state.wanted.first?.redirectedFrom)
        let header = MessageHeader(
            initiatorSPI: sa.localSPI,
            responderSPI: .zero,
            exchangeType: .ikeSAInit,
            isFromOriginalInitiator: true,
            isResponse: false,
            messageID: 0
        )
        state.request = IKEMessage.serialise(header, payloads: payloads)
        sa.state = .initiating(state)
        // RFC 7296 §2.6: a repetition with a COOKIE has the message ID zero again.
        sa.requests = RequestWindow()
        request(.ikeSAInit, SentMessage(state.request), of: sa, at: now)
    }

    func receiveInitResponse(
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        _ sa: IKESA,
        _ state: Initiating,
        at now: Instant
    ) {
        guard header.exchangeType == .ikeSAInit, header.isResponse, header.messageID == 0 else {
            return counters.drop(.unexpectedExchange)
        }
        guard datagram.remote == sa.path.remote, datagram.transport == sa.path.transport else {
            return counters.drop(.unexpectedSource)
        }
        // An answer is there, and its puzzle is worked on.
        guard state.answer == nil else { return counters.drop(.repeatedResponse) }
        guard let message = try? IKEMessage(reading: datagram.bytes), message.protection == .none,
            let content = MessageContent(message.payloads)
        else { return counters.drop(.malformed) }
        if content.securityAssociation == nil {
            return receiveInitNotify(content, sa, state, at: now)
        }
        let answer = InitAnswer(content: content, datagram: datagram, header: header)
        receiveInitAnswer(answer, sa, state, at: now)
    }

    /// A COOKIE, another method, or an error.
    private func receiveInitNotify(
        _ content: MessageContent,
        _ sa: IKESA,
        _ initiating: Initiating,
        at now: Instant
    ) {
        if followsInitRedirect(
            content,
            sa,
            nonce: initiating.nonce,
            wanted: initiating.wanted,
            at: now
        ) {
            return
        }
        var state = initiating
        if let cookie = content.notify(.cookie), (1...64).contains(cookie.data.count) {
            guard state.restarts < IKEEngine.restartLimit, cookie.data != state.cookie else {
                return counters.drop(.unexpectedExchange)
            }
            state.restarts += 1
            counters.cookiesShown += 1
            state.cookie = cookie.data
            state.refusal = nil
            if let puzzle = content.notify(.puzzle) {
                return receivePuzzle(puzzle, cookie.data, sa, state, at: now)
            }
            state.search = nil
            state.solution = nil
            report(.cookieDemandedByPeer, of: sa)
            return sendInitRequest(sa, state, at: now)
        }
        if let method = content.wantedMethod {
            let isOffered = state.offer.proposals.contains {
                $0.proposal.keyExchangeMethods.contains(method)
            }
            // The answer to a repetition of the request before: the right answer is on its way.
            if method == state.keyPair.method { return counters.drop(.repeatedResponse) }
            // RFC 7296 §1.2: retried with the method wanted, if it was offered at all.
            if isOffered, state.restarts < IKEEngine.restartLimit,
                let keyPair = try? freshKeyPair(method)
            {
                state.restarts += 1
                state.keyPair = keyPair
                state.refusal = nil
                report(
                    .otherMethodDemanded(wanted: ProposalKeyword.name(of: .keyExchange(method))),
                    of: sa
                )
                return sendInitRequest(sa, state, at: now)
            }
        }
        guard let error = content.error else { return counters.drop(.malformed) }
        refuse(InitRefusal.explain(error, content, sa.connection), sa, state, at: now)
    }

    /// RFC 7296 §2.21.1: an error in IKE_SA_INIT is not authentic; "the initiator SHOULD continue
    /// to wait for a while" for an answer that is better.
    func refuse(
        _ failure: NegotiationFailure,
        _ sa: IKESA,
        _ initiating: Initiating,
        at now: Instant
    ) {
        var state = initiating
        guard state.refusal == nil else { return }
        // RFC 9329 §6.4: over TCP, no better answer is to be waited for.
        if sa.path.transport == .tcp { return fail(sa, failure, at: now) }
        state.refusal = failure
        sa.state = .initiating(state)
        arm(
            .retransmission(0),
            of: sa,
            at: min(
                now + IKEEngine.refusalPatience,
                sa.timers[.retransmission(0)] ?? .distantFuture
            )
        )
    }

    func receiveInitAnswer(
        _ response: InitAnswer,
        _ sa: IKESA,
        _ state: Initiating,
        at now: Instant
    ) {
        let (content, datagram) = (response.content, response.datagram)
        let header = response.header
        guard header.responderSPI != .zero, let answer = content.securityAssociation,
            let keyExchange = content.keyExchange, let nonce = content.nonce
        else { return counters.drop(.malformed) }
        guard let choice = ProposalSelection.accepted(answer, of: state.offer),
            let suite = IKESuite(choice.transforms),
            // RFC 9370 §2.2.1: without IKE_INTERMEDIATE there are no additional key exchanges.
            suite.additionalKeyExchanges.isEmpty
                || content.notify(.intermediateExchangeSupported) != nil
        else { return refuse(InitRefusal.strangeAnswer(sa.connection), sa, state, at: now) }
        if sa.authSolution == nil, let puzzle = content.notify(.puzzle) {
            return receiveAuthPuzzle(puzzle, response, nonce, sa, state, at: now)
        }
        guard suite.keyExchange == keyExchange.method, keyExchange.method == state.keyPair.method,
            let secret = try? state.keyPair.sharedSecret(with: keyExchange.data),
            let keys = SAKeys(
                suite: suite,
                secret: secret,
                isOriginalInitiator: true,
                context: IKEKeys.Context(
                    nonceInitiator: state.nonce,
                    nonceResponder: nonce,
                    spiInitiator: sa.localSPI,
                    spiResponder: header.responderSPI
                )
            )
        else { return counters.drop(.malformed) }
        sa.peerSPI = header.responderSPI
        sa.requests.removeAll()
        disarm(.retransmission(0), of: sa)
        sa.agreed = agreed(in: content, sa.connection)
        sa.signatureHashes = SignatureHashes.read(content)
        learnPath(of: sa, content, datagram)
        exchangeKeys(
            suite.additionalKeyExchanges[...],
            sa,
            keys,
            InitTranscript(
                initiatorMessage: state.request,
                responderMessage: datagram.bytes,
                initiatorNonce: state.nonce,
                responderNonce: nonce,
                isSignedInFull: sa.agreed.contains(.fullTranscript)
            ),
            wanted: state.wanted,
            at: now
        )
    }

    /// Our true address, the NATs between, and the port for all that follows.
    func learnPath(of sa: IKESA, _ content: MessageContent, _ datagram: IKEDatagram) {
        var path = sa.path
        path.local.address = datagram.local.address
        let isForced = sa.nat.isForced
        sa.nat = NATDetection.situation(
            content,
            initiatorSPI: sa.initiatorSPI,
            responderSPI: sa.responderSPI,
            path: IKEPath(datagram)
        )
        sa.nat.isForced = isForced && sa.nat.isSupported
        if sa.path.transport == .tcp {
            sa.stream?.failures = 0
            return reportTranslation(of: sa)
        }
        setPath(path, of: sa)
        reportNAT(of: sa)
        // RFC 4555 §3.3: with MOBIKE also where no NAT is, lest the ports change later.
        guard sa.isEncapsulated || (sa.connection.mobility.isOffered && sa.nat.isSupported) else {
            return
        }
        // RFC 7296 §2.23: "the initiator MUST set both UDP source and destination ports to 4500".
        sa.path.local.port = settings.natTraversalPort
        sa.path.remote.port = settings.natTraversalPort
    }

    private func reportTranslation(of sa: IKESA) {
        if sa.nat.isLocalTranslated || sa.nat.isRemoteTranslated {
            report(
                .networkAddressTranslation(
                    local: sa.nat.isLocalTranslated,
                    remote: sa.nat.isRemoteTranslated
                ),
                of: sa
            )
        }
    }

    func reportNAT(of sa: IKESA) {
        reportTranslation(of: sa)
        // RFC 9329 §6.5: by TCP, encapsulation is not in question.
        guard sa.path.transport == .udp else { return }
        let connection = sa.connection
        if connection.encapsulation == .esp, sa.isEncapsulated {
            report(
                .encapsulationDiffers(
                    NegotiationFailure(
                        subject: .encapsulation,
                        explanation: "ESP goes in UDP although encapsulation is esp: a NAT is on "
                            + "the way, or the peer says so.",
                        source: connection.encapsulationSource,
                        remedy: "Remove the NAT or the peer's forced encapsulation, or write auto "
                            + "at \(connection.encapsulationSource)."
                    )
                ),
                of: sa
            )
        }
        if connection.encapsulation == .udp, !sa.isEncapsulated {
            report(
                .encapsulationDiffers(
                    NegotiationFailure(
                        subject: .encapsulation,
                        explanation: "ESP goes without UDP although encapsulation is udp: the peer "
                            + "does not know NAT traversal.",
                        source: connection.encapsulationSource,
                        remedy: "Switch NAT traversal on at the peer."
                    )
                ),
                of: sa
            )
        }
    }
}
