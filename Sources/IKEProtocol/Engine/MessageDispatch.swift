internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// From a datagram to the exchange that it belongs to.
///
/// Nothing before `receiveAuthentic` may change an SA, except in the first exchange, which nothing
/// protects: there, what is said is held against what was sent.
extension IKEEngine {
    /// RFC 7296 §2 asks for 3,000 octets; a UDP datagram cannot hold more than this.
    private static let maximumMessageOctets = 65_507
    /// The same for requests of those who have proven nothing, for these are kept: what a thousand
    /// strangers can make us keep must stay small.
    static let maximumUnprovenOctets = 8192

    func receive(_ datagram: IKEDatagram, at now: Instant) {
        counters.received += 1
        guard datagram.bytes.count <= IKEEngine.maximumMessageOctets else {
            return counters.drop(.oversized)
        }
        guard let wire = try? WireHeader(reading: datagram.bytes) else {
            return counters.drop(.malformed)
        }
        let header = wire.header
        guard wire.majorVersion == MessageHeader.majorVersion else {
            counters.drop(.unsupportedVersion)
            // RFC 7296 §2.5: a higher version is answered, and never a response.
            if wire.majorVersion > MessageHeader.majorVersion, !header.isResponse {
                answerUnprotected(
                    datagram,
                    header,
                    NotifyPayload(.invalidMajorVersion, data: [MessageHeader.majorVersion]),
                    now
                )
            }
            return
        }
        let isFirst =
            header.exchangeType == .ikeSAInit || header.exchangeType == .ikeSessionResume
        if isFirst, !header.isResponse {
            return receiveFirstRequest(datagram, header, at: now)
        }
        guard let sa = find(header) else {
            counters.drop(.unknownSPI)
            if receiveUnprotectedComplaint(datagram, header, at: now) { return }
            // A request in an SA that we have asked for comes again when the answer is there.
            if !header.isResponse, !sas.isOffered(header.initiatorSPI) {
                answerUnprotected(
                    datagram,
                    header,
                    NotifyPayload(.invalidIKESPI),
                    now,
                    with: forgottenSAPayloads(header)
                )
            }
            return
        }
        if case .initiating(let state) = sa.state {
            return receiveFirstResponse(datagram, header, sa, state, at: now)
        }
        receiveProtected(datagram, header, sa, at: now)
    }

    /// The SA that both SPIs and the I flag name.
    private func find(_ header: MessageHeader) -> IKESA? {
        let isForResponder = header.isFromOriginalInitiator
        let local = isForResponder ? header.responderSPI : header.initiatorSPI
        let peer = isForResponder ? header.initiatorSPI : header.responderSPI
        guard let sa = sas[local], sa.isOriginalInitiator != isForResponder else { return nil }
        switch sa.state {
        case .initiating: return sa
        case .exchangingKeys, .authenticating, .halfOpen, .established, .closing, .closed:
            return sa.peerSPI == peer ? sa : nil
        }
    }

    private func receiveProtected(
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        _ sa: IKESA,
        at now: Instant
    ) {
        if header.isResponse {
            guard let request = sa.requests[header.messageID], !request.isHeld else {
                return counters.drop(.repeatedResponse)
            }
        } else {
            if sa.responses.isRepetition(datagram.bytes, header.messageID) {
                return answerAgain(header.messageID, datagram, of: sa)
            }
            guard sa.responses.admits(header.messageID) else {
                return receiveLateFragment(datagram, header, sa, at: now)
            }
            if case .halfOpen = sa.state, datagram.bytes.count > IKEEngine.maximumUnprovenOctets {
                return counters.drop(.oversized)
            }
        }
        guard let keys = sa.keys else { return counters.drop(.unexpectedExchange) }
        let message: IKEMessage
        do {
            message = try IKEMessage(reading: datagram.bytes)
        } catch {
            return counters.drop(.malformed)
        }
        guard showsWork(message, sa) else { return counters.drop(.puzzleRequired) }
        do {
            let received: ReceivedMessage?
            switch message.protection {
            case .none:
                guard header.isResponse else { return counters.drop(.unprotected) }
                return receiveCrashNotice(message, from: datagram.remote, sa, at: now)
            case .encrypted(let payload):
                received = ReceivedMessage(
                    opened: try keys.open(payload),
                    identity: datagram.bytes,
                    largestFragment: nil
                )
            case .fragment(let fragment):
                received = try receiveFragment(fragment, datagram, header, sa, keys, at: now)
            }
            if let received { receiveAuthentic(received, datagram, header, sa, at: now) }
        } catch {
            switch error {
            case .cipher:
                counters.drop(.unauthentic)
                noteForgery(of: sa)
            case .message(let fault): receiveFaulty(fault, datagram, header, sa, at: now)
            }
        }
    }

    private func receiveAuthentic(
        _ received: ReceivedMessage,
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        _ sa: IKESA,
        at now: Instant
    ) {
        let content: MessageContent
        do {
            content = try MessageContent(of: received.opened)
        } catch {
            return receiveFaulty(error, datagram, header, sa, at: now)
        }
        guard mayComeFrom(datagram.remote.address, header, sa) else {
            return counters.drop(.unexpectedSource)
        }
        sa.lastHeard = now
        sa.mobility?.isDisowned = false
        // What was overtaken by a later message says nothing of where the peer is now.
        let isLatest =
            header.isResponse
            ? sa.requests.isLatest(header.messageID) : sa.responses.isLatest(header.messageID)
        if isLatest { followPeer(of: sa, datagram, at: now) }
        if header.isResponse {
            adoptProbedPath(of: sa, IKEPath(datagram), answered: header.messageID, at: now)
            receiveResponse(content, header, received.opened, sa, at: now)
        } else {
            receiveRequest(
                Request(content, datagram, header, received, at: now),
                sa,
                at: now
            )
        }
        respectWindow(content, of: sa)
        startTasks(of: sa, at: now)
        retireOthers(than: sa, at: now)
    }

    /// Authentic, and yet not a message: from the peer itself, so no attacker is at work.
    private func receiveFaulty(
        _ fault: MessageError,
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        _ sa: IKESA,
        at now: Instant
    ) {
        counters.drop(.malformed)
        if !header.isResponse, let notify = fault.notify {
            respond(to: Request(nil, datagram, header, at: now), of: sa, [.notify(notify)])
        }
        // RFC 7296 §2.21.3: a fault of syntax is fatal to the IKE SA; an unknown critical payload
        // only to its exchange, and in IKE_AUTH to what it was to make (§2.21.2).
        if case .unsupportedCriticalPayload = fault, !header.isResponse, !sa.isHalfOpen { return }
        fail(
            sa,
            NegotiationFailure(
                subject: .malformedMessage,
                explanation: "The peer sent a message that is authentic and malformed: \(fault).",
                remedy: "One of the two implementations errs; a capture with keys shows which."
            ),
            at: now
        )
    }

    /// The answer to a request outside any SA; so many a second.
    func answerUnprotected(
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        _ notify: NotifyPayload,
        _ now: Instant,
        with others: [Payload] = []
    ) {
        guard unprotectedAnswers.takes(at: now) else { return }
        let answer = header.answering(responderSPI: header.responderSPI)
        send(
            IKEMessage.serialise(answer, payloads: [.notify(notify)] + others),
            along: IKEPath(datagram)
        )
    }
}

/// A request of the peer that proved authentic; nil content where it could not be read.
struct Request {
    let content: MessageContent
    let datagram: IKEDatagram
    let header: MessageHeader
    let receivedAt: Instant
    /// Nil where the message could not be read.
    let opened: OpenedMessage?
    /// What a repetition will be known by.
    let identity: [UInt8]
    let largestFragment: Int?

    init(
        _ content: MessageContent?,
        _ datagram: IKEDatagram,
        _ header: MessageHeader,
        _ received: ReceivedMessage? = nil,
        at now: Instant
    ) {
        receivedAt = now
        opened = received?.opened
        identity = received?.identity ?? datagram.bytes
        largestFragment = received?.largestFragment
        self.content = content ?? MessageContent([])!
        self.datagram = datagram
        self.header = header
    }
}

extension MessageHeader {
    /// The header of an answer to a message with this one.
    func answering(responderSPI: IKESPI) -> MessageHeader {
        MessageHeader(
            initiatorSPI: initiatorSPI,
            responderSPI: responderSPI,
            exchangeType: exchangeType,
            isFromOriginalInitiator: !isFromOriginalInitiator,
            isResponse: true,
            messageID: messageID
        )
    }
}
