internal import IPsecPrimitives

/// Other ways to a peer that has fallen silent (RFC 4555 §3.5, §3.10, §3.11).
///
/// A request that is not answered goes along every pair of addresses of both ends; the answer shows
/// which of them works, and an UPDATE_SA_ADDRESSES makes it the path.
extension IKEEngine {
    /// Sendings along the path of now before others are tried.
    private static let patience = 2
    private static let pathLimit = 8
    /// Of a first message by UDP, where TCP may follow.
    private static let sendingsBeforeFallback = 3

    /// Pairs of addresses other than the one in use, the nearest to it first.
    func candidatePaths(of sa: IKESA) -> [IKEPath] {
        guard let mobility = sa.mobility else { return [] }
        let connection = sa.connection
        var locals = [sa.path.local.address].filter(isLocal)
        if connection.localAddress == nil {
            locals += outerAddresses(of: connection).filter { !locals.contains($0) }
        }
        var remotes = [sa.path.remote.address]
        for address in connection.knownRemoteAddresses + mobility.peerAddresses
        where !remotes.contains(address) {
            let path = IKEPath(
                local: sa.path.local,
                remote: Endpoint(address: address, port: settings.natTraversalPort)
            )
            if connection.mobility.acceptsAnyAddress || connection.mayComeFrom(path.remote.address)
            {
                remotes.append(address)
            }
        }
        var paths: [IKEPath] = []
        for remote in remotes {
            for local in locals where local.version == remote.version {
                let isKnown =
                    remote == sa.path.remote.address && sa.path.transport == .udp
                let port = isKnown ? sa.path.remote.port : standardPort(of: sa)
                let path = IKEPath(
                    local: Endpoint(
                        address: local,
                        port: sa.path.transport == .udp
                            ? sa.path.local.port : settings.natTraversalPort
                    ),
                    remote: Endpoint(address: remote, port: port)
                )
                if path != sa.path { paths.append(path) }
            }
        }
        return Array(paths.prefix(IKEEngine.pathLimit))
    }

    private func standardPort(of sa: IKESA) -> UInt16 {
        sa.nat.isSupported ? settings.natTraversalPort : settings.ikePort
    }

    /// A request has been sent so often without an answer.
    func probePaths(of sa: IKESA, _ message: SentMessage, attempt: Int, at now: Instant) {
        guard let mobility = sa.mobility, sa.established != nil else { return }
        // While UDP is only tried, packets still go by TCP: what must be answered in time does too.
        guard sa.standbyOfTrial != nil || attempt > IKEEngine.patience else { return }
        probeStream(of: sa, message, at: now)
        guard attempt > IKEEngine.patience else { return }
        let paths = candidatePaths(of: sa)
        guard !paths.isEmpty else { return }
        if attempt == IKEEngine.patience + 1 { report(.probingPaths(count: paths.count), of: sa) }
        // RFC 4555 §3.6: the responder tries other paths only to tell that its own have changed.
        guard
            mobility.isInitiator || !isLocal(mobility.packetPath.local.address)
                || sa.requests.contains(where: {
                    if case .announceAddresses = $0 { true } else { false }
                })
        else { return }
        mobility.isProbing = true
        mobility.hasProbed = true
        for path in paths { send(message, along: path) }
    }

    /// An authentic answer came along another path than the one in use: there is one that works.
    ///
    /// Only a path of our own choosing counts; whoever copies an answer cannot lead us elsewhere.
    func adoptProbedPath(
        of sa: IKESA,
        _ path: IKEPath,
        answered messageID: UInt32,
        at now: Instant
    ) {
        guard let mobility = sa.mobility, mobility.isProbing else { return }
        mobility.isProbing = false
        guard mobility.isInitiator, path != sa.path else { return endStandby(of: sa) }
        if path == sa.stream?.standby {
            if mobility.packetPath == path { report(.udpStillBlocked, of: sa) }
            changePath(of: sa, to: path, packetsFollowAtOnce: true, answered: messageID, at: now)
            return armUDPTrial(of: sa, at: now)
        }
        guard candidatePaths(of: sa).contains(path) else { return }
        changePath(of: sa, to: path, packetsFollowAtOnce: true, answered: messageID, at: now)
    }

    /// Sends all that waits for an answer once more, along the path of now, with its tries before
    /// it.
    func sendAgain(of sa: IKESA, except answered: UInt32? = nil, at now: Instant) {
        for outstanding in sa.requests.outstanding
        where outstanding.messageID != answered && !outstanding.isHeld {
            sa.requests.restart(outstanding.messageID)
            if sa.canSend { send(outstanding.message, along: sa.path) }
            armRetransmission(outstanding.messageID, of: sa, attempt: 1, at: now)
        }
    }

    /// Sendings before the peer counts as dead. RFC 4555 §3.11: the responder gives the initiator
    /// time to find another path, "at least five minutes" with the usual schedule; not where the answer
    /// to its questions is that the IKE SA is unknown.
    func tries(of sa: IKESA) -> Int {
        let tries = sa.connection.retransmission.tries
        // RFC 9329 §5.1: TCP may be tried before the last retransmission, and "the initial message
        // over UDP" is to be "retransmitted at least once" before.
        if case .initiating(let state) = sa.state, !state.keys.isResumed,
            sa.connection.transport.choice == .automatic
        {
            return min(tries, IKEEngine.sendingsBeforeFallback)
        }
        guard let mobility = sa.mobility, !mobility.isInitiator, !mobility.isDisowned else {
            return tries
        }
        return tries + 3
    }
}
