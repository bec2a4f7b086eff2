internal import IKEMessages
package import IPsecPrimitives

/// TCP connections as they come and go (RFC 9329 §6.1).
///
/// The end that began the session opens them, also after rekeys; the other one takes the connection
/// by which the peer was heard last. An IKE SA outlives its connection.
extension IKEEngine {
    /// How long a connection may take to open.
    private static let openingPatience: Duration = .seconds(10)

    /// Asks for a connection to where the peer listens.
    func openStream(for sa: IKESA, from local: IPAddress?, at now: Instant) {
        let use = sa.streamUse
        guard use.attempt == nil else { return }
        lastStreamAttempt += 1
        let attempt = StreamAttempt(rawValue: lastStreamAttempt)
        use.attempt = attempt
        streamAttempts[attempt] = sa.localSPI
        let remote = Endpoint(
            address: sa.path.remote.address,
            port: sa.connection.transport.port
        )
        arm(.stream, of: sa, at: now + IKEEngine.openingPatience)
        effects.append(
            .openStream(attempt, local: local ?? .unspecified(remote.address.version), remote)
        )
    }

    func streamOpened(
        _ attempt: StreamAttempt,
        _ local: Endpoint,
        _ remote: Endpoint,
        _ now: Instant
    ) {
        let path = IKEPath(local: local, remote: remote, transport: .tcp)
        guard let sa = take(attempt) else {
            return effects.append(.closeStream(local: local, remote: remote))
        }
        disarm(.stream, of: sa)
        guard sa.path.transport == .tcp else { return standBy(sa, path, at: now) }
        let former = sa.path
        let companions = [sa] + sas.onStream(former).filter { $0 !== sa }
        for other in companions {
            other.isStreamLost = false
            setPath(path, of: other)
        }
        if case .initiating(let state) = sa.state, sa.requests.isEmpty {
            // Work on a puzzle goes on, and its result is sent.
            if state.search != nil { return }
            return sendFirstRequest(sa, state, at: now)
        }
        report(.streamReopened, of: sa)
        for other in companions { goOn(other, from: former, at: now) }
    }

    /// RFC 9329 §6.1: on a new connection, "it is suggested that the TCP Originator send an
    /// UPDATE_SA_ADDRESSES message if MOBIKE is supported and an empty informational message if it
    /// is not"; §6.2: what waits for an answer is sent again.
    private func goOn(_ sa: IKESA, from former: IKEPath, at now: Instant) {
        sendAgain(of: sa, at: now)
        guard let state = sa.established else { return }
        if state.isReplaced {
            // The peer has not closed it yet, and may know nothing of the one that replaces it: it waits
            // to hear of this one.
            guard case .replaced = state.standing, sa.requests.isEmpty else { return }
            return request(
                .checkLiveness,
                .informational,
                livenessPayloads(of: sa),
                of: sa,
                at: now
            )
        }
        if let mobility = sa.mobility {
            if mobility.packetPath == former { movePackets(of: sa, state, mobility) }
            if mobility.isInitiator { return enqueue(.updateAddresses, of: sa, at: now) }
        } else {
            updateEndpoints(of: sa, state)
        }
        // What is sent again may have been answered: a repetition moves no peer to the new connection.
        enqueue(.checkLiveness, of: sa, at: now)
    }

    func streamFailed(_ attempt: StreamAttempt, because reason: String, at now: Instant) {
        guard let sa = take(attempt) else { return }
        disarm(.stream, of: sa)
        // A way that was to stand by, while UDP is in use: the next unanswered sending asks again.
        guard sa.path.transport == .tcp else { return }
        if case .initiating = sa.state, sa.requests.isEmpty {
            return fail(sa, StreamFailure.refused(sa, because: reason), at: now)
        }
        streamIsMissing(sa, because: reason, at: now)
    }

    /// `.stream` is due: a connection does not open, or the next one may be tried.
    func streamTimeout(of sa: IKESA, at now: Instant) {
        if let attempt = sa.stream?.attempt {
            effects.append(.abandonStream(attempt))
            return streamFailed(attempt, because: "it took too long to open", at: now)
        }
        guard sa.isStreamLost else { return }
        openStream(for: sa, from: sa.connection.localAddress, at: now)
    }

    func streamClosed(_ local: Endpoint, _ remote: Endpoint, at now: Instant) {
        let path = IKEPath(local: local, remote: remote, transport: .tcp)
        let users = sas.onStream(path)
        for sa in users where sa.stream?.standby == path { setStandby(nil, of: sa, closes: false) }
        loseStream(users.filter { $0.path == path }, at: now)
    }

    /// The connection of these IKE SAs is of no use any more. RFC 9329 §6.1: without a Delete,
    /// "both sides SHOULD maintain the state for their SAs".
    func loseStream(_ users: [IKESA], at now: Instant) {
        for sa in users { sa.isStreamLost = true }
        // One connection for all of them, which must not end with one that is on its way out; and of
        // those that stay the youngest lives longest.
        let staying = users.last { $0.established?.standing == .current }
        guard let sa = staying ?? users.last(where: \.isAlive), sa.isSessionInitiator else {
            return
        }
        report(.streamLost, of: sa)
        streamIsMissing(sa, because: "the peer or the network closed it", at: now)
    }

    private func streamIsMissing(_ sa: IKESA, because reason: String, at now: Instant) {
        let use = sa.streamUse
        sa.isStreamLost = true
        use.failures += 1
        let schedule = sa.connection.retransmission
        guard use.failures <= schedule.tries else {
            return fail(sa, StreamFailure.gone(sa, because: reason), at: now)
        }
        if use.failures > 1, goBackToUDP(sa, at: now) { return }
        guard use.failures > 1 else {
            return openStream(for: sa, from: sa.connection.localAddress, at: now)
        }
        let wait = schedule.wait(afterAttempt: use.failures - 1, random: &random)
        arm(.stream, of: sa, at: now + wait)
    }

    /// The IKE SA that an attempt was made for; nil when it is over, or has another by now.
    private func take(_ attempt: StreamAttempt) -> IKESA? {
        guard let spi = streamAttempts.removeValue(forKey: attempt), let sa = sas[spi],
            sa.stream?.attempt == attempt
        else { return nil }
        sa.stream?.attempt = nil
        return sa.isAlive ? sa : nil
    }

    // MARK: Which IKE SA is where

    /// Messages take another path from now on.
    func setPath(_ path: IKEPath, of sa: IKESA) {
        let former = sa.path
        guard path != former else { return }
        sas.move(sa, to: path)
        sa.requests.noteOtherPath()
        leave(former, sa)
    }

    func setStandby(_ path: IKEPath?, of sa: IKESA, closes: Bool = true) {
        guard let former = sas.setStandby(path, of: sa), closes else { return }
        leave(former, sa)
    }

    /// RFC 9329 §6.1: "Once the SA has been deleted, the TCP Originator SHOULD close the TCP
    /// connection"; §7.1: and once it goes another way.
    func leave(_ path: IKEPath, _ sa: IKESA) {
        guard path.transport == .tcp, path.local.port != 0, sa.isSessionInitiator,
            sas.onStream(path).isEmpty
        else { return }
        effects.append(.closeStream(local: path.local, remote: path.remote))
    }

    /// An IKE SA is over, and with it what it opened.
    func leaveStreams(of sa: IKESA) {
        if let attempt = sa.stream?.attempt, streamAttempts[attempt] == sa.localSPI {
            streamAttempts[attempt] = nil
            // Shared with whatever replaces it, which may ask for another.
            sa.stream?.attempt = nil
            effects.append(.abandonStream(attempt))
        }
        guard sa.path.transport == .tcp || sa.stream?.standby != nil else { return }
        for path in sas.leaveStreams(sa) { leave(path, sa) }
    }

    /// The connections that IKE SAs go by or keep, for whoever closes the others.
    package var streamsInUse: Set<StreamEnds> { sas.streamsInUse }
}

/// Both ends of a TCP connection; no other has the same at the same time.
package struct StreamEnds: Hashable, Sendable {
    package var local: Endpoint
    package var remote: Endpoint

    package init(local: Endpoint, remote: Endpoint) {
        self.local = local
        self.remote = remote
    }
}

extension IKESA {
    /// What it remembers of its connections; from the first question on.
    var streamUse: StreamUse {
        if let stream { return stream }
        let use = StreamUse()
        stream = use
        return use
    }

    fileprivate var isAlive: Bool {
        if case .closed = state { false } else { true }
    }
}

enum StreamFailure {
    static func refused(_ sa: IKESA, because reason: String) -> NegotiationFailure {
        NegotiationFailure(
            subject: .peerUnresponsive,
            explanation: "A TCP connection to \(sa.path.remote) cannot be opened: \(reason).",
            source: sa.connection.source,
            remedy:
                "See that the peer listens there, which takes `transport: auto` or `tcp` at its "
                + "connection too, and that TCP port \(sa.path.remote.port) passes."
        )
    }

    static func gone(_ sa: IKESA, because reason: String) -> NegotiationFailure {
        NegotiationFailure(
            subject: .peerUnresponsive,
            explanation: "The TCP connection to \(sa.path.remote) is lost and cannot be had again: "
                + "\(reason).",
            source: sa.connection.source,
            remedy: "See that the peer runs and that TCP port \(sa.path.remote.port) passes."
        )
    }
}
