internal import IKEMessages
internal import IPsecPrimitives

/// What an INFORMATIONAL request says about addresses, and what its answer says.
struct MobilityAnswer {
    var payloads: [Payload] = []
    /// Where the peer wants packets to go from now on.
    var update: IKEPath?
}

/// UPDATE_SA_ADDRESSES and ADDITIONAL_*_ADDRESS, the side that is told (RFC 4555 §3.5 to §3.9).
extension IKEEngine {
    func mobilityAnswer(to request: Request, of sa: IKESA) -> MobilityAnswer {
        var answer = MobilityAnswer()
        guard let mobility = sa.mobility else { return answer }
        let content = request.content
        let path = IKEPath(request.datagram)
        let addresses = MobilityNotifies.additionalAddresses(content)
        let isUpdate = content.notify(.updateSAAddresses) != nil
        // RFC 4555 §3.7: "the recipient of an INFORMATIONAL request MUST copy the notification
        // as-is to the response".
        if let cookie = content.notify(.cookie2), (8...64).contains(cookie.data.count) {
            answer.payloads.append(.notify(cookie))
        }
        if isUpdate || addresses != nil, MobilityNotifies.isSpoilt(content, along: path) {
            answer.payloads.append(.notify(NotifyPayload(.unexpectedNATDetected)))
            report(.addressesRefused(MobilityFailure.translated(path, sa.connection)), of: sa)
            return answer
        }
        // RFC 4555 §3.8: "if the request includes them, the responder MUST also include them".
        if sa.nat.isSupported, content.notify(.natDetectionSourceIP) != nil {
            answer.payloads += NATDetection.notifies(
                initiatorSPI: sa.initiatorSPI,
                responderSPI: sa.responderSPI,
                path: path,
                forgedSource: sa.nat.isForced ? random.bytes(NATDetection.hashLength) : nil
            )
        }
        let messageID = request.header.messageID
        if let addresses, mobility.isNewest(addresses: messageID) {
            learn(addresses, along: path, of: sa, at: request.receivedAt)
        }
        guard isUpdate, !mobility.isInitiator, mobility.isNewest(update: messageID) else {
            return answer
        }
        guard mayMove(sa, to: path) else {
            answer.payloads.append(.notify(NotifyPayload(.unacceptableAddresses)))
            report(.addressesRefused(MobilityFailure.unacceptable(path, sa.connection)), of: sa)
            return answer
        }
        answer.update = path
        return answer
    }

    private func mayMove(_ sa: IKESA, to path: IKEPath) -> Bool {
        let connection = sa.connection
        if let local = connection.localAddress, local != path.local.address { return false }
        guard connection.transport.allows(path.transport) else { return false }
        return connection.mobility.acceptsAnyAddress || connection.mayMeet(path)
            || path.remote.address == sa.path.remote.address
    }

    /// What follows from an update, once it is answered.
    func follow(_ answer: MobilityAnswer, to request: Request, of received: IKESA) {
        guard let path = answer.update, let sa = heir(of: received, unless: \.hasUpdate),
            let mobility = sa.mobility, let state = sa.established
        else { return }
        let now = request.receivedAt
        let from = mobility.packetPath.remote
        let wasEncapsulated = sa.arePacketsEncapsulated
        mobility.deserted = nil
        setPath(path, of: sa)
        sa.isStreamLost = false
        if sa !== received {
            // Its Delete has to arrive as well.
            setPath(path, of: received)
            sendAgain(of: received, at: now)
        }
        if sa.nat.isSupported, request.content.notify(.natDetectionSourceIP) != nil {
            let isForced = sa.nat.isForced
            sa.nat = NATDetection.situation(
                request.content,
                initiatorSPI: received.initiatorSPI,
                responderSPI: received.responderSPI,
                path: path
            )
            sa.nat.isForced = isForced
        }
        rearmKeepalive(of: sa, at: now)
        sendAgain(of: sa, at: now)
        // RFC 9329 §7.1: a TCP connection shows by itself that the address is real.
        // RFC 4555 §3.7: by default checked "before updating the IPsec SAs". The address that
        // packets go to already needs no check, unless all that they did was to follow a NAT.
        if path.remote.address != from.address || mobility.isFollowed, path.transport == .udp {
            mobility.isPathUnproven = true
            mobility.keptEncapsulation = wasEncapsulated
            return enqueue(.checkRoutability, of: sa, at: now)
        }
        let hasMoved = path != mobility.packetPath
        movePackets(of: sa, state, mobility)
        if hasMoved { report(.peerMoved(from: from, to: path.remote), of: sa) }
    }

    /// The IKE SA that has the children: a request that tells of another path may come behind what
    /// replaces the IKE SA, be it a request of the peer's or the answer to one of ours.
    ///
    /// - Parameter hasNewer: whether the peer has told of the same by an IKE SA: what it says by an older
    ///   one is older.
    private func heir(of received: IKESA, unless hasNewer: (Mobility) -> Bool) -> IKESA? {
        var sa = received
        while let spi = sa.heir, let next = sas[spi] {
            if let mobility = next.mobility, hasNewer(mobility) { return nil }
            sa = next
        }
        return sa
    }

    /// The IKE SA that has all that one had which was replaced; else the one itself.
    func lastHeir(of received: IKESA) -> IKESA {
        var sa = received
        while let spi = sa.heir, let next = sas[spi] { sa = next }
        return sa
    }

    func startRoutabilityCheck(of sa: IKESA, at now: Instant) {
        guard let mobility = sa.mobility, mobility.isPathUnproven else { return }
        let check = RoutabilityCheck(path: sa.path, cookie: random.bytes(16))
        request(
            .checkRoutability(check),
            .informational,
            [MobilityNotifies.cookie(check.cookie)],
            of: sa,
            at: now
        )
    }

    func receiveRoutabilityResponse(
        _ content: MessageContent,
        _ check: RoutabilityCheck,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        guard let mobility = sa.mobility else { return }
        guard content.notify(.cookie2)?.data == check.cookie else {
            return close(sa, because: .failed(MobilityFailure.otherCookie), at: now)
        }
        // RFC 4555 §3.7: a request that went to several addresses shows nothing of any.
        guard check.path == sa.path, !check.wentElsewhere else {
            return enqueue(.checkRoutability, of: sa, at: now)
        }
        guard mobility.isPathUnproven else { return }
        let from = mobility.packetPath.remote
        movePackets(of: sa, state, mobility)
        if from != sa.path.remote { report(.peerMoved(from: from, to: sa.path.remote), of: sa) }
    }

    private func learn(
        _ addresses: [IPAddress],
        along path: IKEPath,
        of received: IKESA,
        at now: Instant
    ) {
        guard let sa = heir(of: received, unless: \.hasAddresses), let mobility = sa.mobility,
            sa.established != nil
        else { return }
        mobility.peerAddresses = addresses
        if mobility.isInitiator { considerPeerAddresses(path, of: sa, at: now) }
    }

    /// The peer's addresses have changed (RFC 4555 §3.5: "particularly important if the announced
    /// set of addresses no longer contains the currently used address").
    private func considerPeerAddresses(_ path: IKEPath, of sa: IKESA, at now: Instant) {
        guard let mobility = sa.mobility else { return }
        let known = mobility.peerAddresses + [path.remote.address]
        guard !known.contains(sa.path.remote.address) else { return }
        guard mayMove(sa, to: path) else {
            return report(
                .addressesRefused(MobilityFailure.unacceptable(path, sa.connection)),
                of: sa
            )
        }
        changePath(of: sa, to: path, packetsFollowAtOnce: true, at: now)
    }
}

extension IKESA {
    /// The IKE SA that has taken this one's place.
    fileprivate var heir: IKESPI? {
        switch state {
        case .established(let state):
            if case .replaced(by: let spi) = state.standing { spi } else { nil }
        case .closing(let state): state.heir
        default: nil
        }
    }
}
