internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// The first exchange of an IKE SA, the initiator's side: IKE_SA_INIT (RFC 7296 §1.2) or
/// IKE_SESSION_RESUME (RFC 5723 §4.3.2), as `FirstKeys` tells.
extension IKEEngine {
    func startIKESA(
        for initiation: IKEEvent.Initiation,
        _ connection: IKEConnection,
        insteadOf old: IKESA? = nil,
        mayResume: Bool = true,
        isUDPTried: Bool = false,
        at now: Instant
    ) {
        let path: IKEPath
        let keys: FirstKeys
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
            let resumes =
                mayResume && old == nil && path.transport == .udp
                && initiation.redirectedFrom == nil
            keys = try firstKeys(connection, along: path, resumes: resumes, at: now)
        } catch {
            return refuse(initiation, error)
        }
        let state = Initiating(keys: keys, nonce: freshNonce(), wanted: [initiation])
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
        sendFirstRequest(sa, state, at: now)
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

    private func firstKeys(
        _ connection: IKEConnection,
        along path: IKEPath,
        resumes: Bool,
        at now: Instant
    ) throws(NegotiationFailure) -> FirstKeys {
        if resumes, let ticket = usableTicket(connection, to: path.remote.address, at: now) {
            return .resumed(ticket)
        }
        return .exchanged(
            try firstKeyPair(connection),
            offer: ProposalSelection.offer(connection.proposals, for: .ikeSA, spi: [])
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

    func sendFirstRequest(_ sa: IKESA, _ initiating: Initiating, at now: Instant) {
        var state = initiating
        var payloads: [Payload] = []
        if let cookie = state.cookie {
            payloads.append(.notify(NotifyPayload(.cookie, data: cookie)))
        }
        if let solution = state.solution { payloads.append(.puzzleSolution(solution)) }
        payloads += state.keys.payloads(state.nonce)
        payloads += NATDetection.notifies(
            initiatorSPI: sa.localSPI,
            responderSPI: .zero,
            path: sa.path,
            isForged: sa.nat.isForced,
            random: &random
        )
        payloads += state.keys.notifies(of: supportNotifies(sa.connection))
        payloads += redirectSupport(sa, from: state.wanted.first?.redirectedFrom)
        let header = MessageHeader(
            initiatorSPI: sa.localSPI,
            responderSPI: .zero,
            exchangeType: state.keys.exchange.type,
            isFromOriginalInitiator: true,
            isResponse: false,
            messageID: 0
        )
        state.request = IKEMessage.serialise(header, payloads: payloads)
        sa.state = .initiating(state)
        // RFC 7296 §2.6: a repetition with a COOKIE has the message ID zero again.
        sa.requests = RequestWindow()
        request(state.keys.exchange, SentMessage(state.request), of: sa, at: now)
    }

    func receiveFirstResponse(
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        _ sa: IKESA,
        _ state: Initiating,
        at now: Instant
    ) {
        guard header.exchangeType == state.keys.exchange.type, header.isResponse,
            header.messageID == 0
        else { return counters.drop(.unexpectedExchange) }
        guard datagram.remote == sa.path.remote, datagram.transport == sa.path.transport else {
            return counters.drop(.unexpectedSource)
        }
        // An answer is there, and its puzzle is worked on.
        guard state.answer == nil else { return counters.drop(.repeatedResponse) }
        guard let message = try? IKEMessage(reading: datagram.bytes), message.protection == .none,
            let content = MessageContent(message.payloads)
        else { return counters.drop(.malformed) }
        guard state.keys.areAnswered(by: content) else {
            return receiveFirstNotify(content, sa, state, at: now)
        }
        let answer = FirstAnswer(content: content, datagram: datagram, header: header)
        receiveFirstAnswer(answer, sa, state, at: now)
    }

    /// Another gateway, a COOKIE, or what the exchange has for refusals.
    private func receiveFirstNotify(
        _ content: MessageContent,
        _ sa: IKESA,
        _ state: Initiating,
        at now: Instant
    ) {
        if followsInitRedirect(content, sa, nonce: state.nonce, wanted: state.wanted, at: now) {
            return
        }
        if let cookie = content.notify(.cookie), (1...64).contains(cookie.data.count) {
            return show(cookie.data, content.notify(.puzzle), sa, state, at: now)
        }
        switch state.keys {
        case .exchanged(let keyPair, let offer):
            receiveInitRefusal(content, keyPair, offer, sa, state, at: now)
        case .resumed: receiveResumeRefusal(content, sa, state, at: now)
        }
    }

    private func show(
        _ cookie: [UInt8],
        _ puzzle: NotifyPayload?,
        _ sa: IKESA,
        _ initiating: Initiating,
        at now: Instant
    ) {
        var state = initiating
        guard state.restarts < state.keys.restartLimit, cookie != state.cookie else {
            return counters.drop(.unexpectedExchange)
        }
        state.restarts += 1
        counters.cookiesShown += 1
        state.cookie = cookie
        state.refusal = nil
        // RFC 8019 §4.5: whoever has a ticket is asked for a COOKIE, and served before others.
        if let puzzle, !state.keys.isResumed {
            return receivePuzzle(puzzle, cookie, sa, state, at: now)
        }
        state.search = nil
        state.solution = nil
        report(.cookieDemandedByPeer, of: sa)
        sendFirstRequest(sa, state, at: now)
    }

    func receiveFirstAnswer(
        _ answer: FirstAnswer,
        _ sa: IKESA,
        _ state: Initiating,
        at now: Instant
    ) {
        guard answer.header.responderSPI != .zero, let nonce = answer.content.nonce else {
            return counters.drop(.malformed)
        }
        let context = IKEKeys.Context(
            nonceInitiator: state.nonce,
            nonceResponder: nonce,
            spiInitiator: sa.localSPI,
            spiResponder: answer.header.responderSPI
        )
        switch state.keys {
        case .exchanged(let keyPair, let offer):
            guard let keys = agreedKeys(keyPair, offer, answer, context, sa, state, at: now) else {
                return
            }
            let transcript = acceptFirstAnswer(answer, context, sa, state)
            exchangeKeys(
                keys.suite.additionalKeyExchanges[...],
                sa,
                keys,
                transcript,
                wanted: state.wanted,
                at: now
            )
        case .resumed(let ticket):
            guard let keys = SAKeys(resuming: ticket, context) else {
                return counters.drop(.malformed)
            }
            let transcript = acceptFirstAnswer(answer, context, sa, state)
            // From here on the peer may count the ticket as used.
            forgetTicket(of: sa.connection.name)
            startAuthentication(
                sa,
                keys,
                transcript,
                resuming: ticket,
                wanted: state.wanted,
                at: now
            )
        }
    }

    /// The IKE SA as the answer makes it.
    private func acceptFirstAnswer(
        _ answer: FirstAnswer,
        _ context: IKEKeys.Context,
        _ sa: IKESA,
        _ state: Initiating
    ) -> InitTranscript {
        sa.peerSPI = answer.header.responderSPI
        sa.requests.removeAll()
        disarm(.retransmission(0), of: sa)
        sa.agreed = state.keys.extensions(agreed(in: answer.content, sa.connection))
        sa.signatureHashes = SignatureHashes.read(answer.content)
        learnPath(of: sa, answer.content, answer.datagram)
        return InitTranscript(
            initiatorMessage: state.request,
            responderMessage: answer.datagram.bytes,
            initiatorNonce: context.nonceInitiator,
            responderNonce: context.nonceResponder,
            isSignedInFull: sa.agreed.contains(.fullTranscript)
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
