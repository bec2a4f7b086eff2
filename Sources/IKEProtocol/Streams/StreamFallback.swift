internal import IPsecPrimitives

/// From UDP to TCP and back within an IKE SA (RFC 9329 §7.1).
///
/// With MOBIKE, an IKE SA changes between the two as it changes between addresses: a request that
/// finds no answer by UDP goes by TCP besides, and the answer shows which of them works. Without, it
/// stays where it is, and another one made from scratch tries UDP.
extension IKEEngine {
    /// RFC 9329 §7.1: "several retransmissions" by UDP have gone unanswered.
    func probeStream(of sa: IKESA, _ message: SentMessage, at now: Instant) {
        guard sa.connection.transport.choice == .automatic, let mobility = sa.mobility,
            mobility.isInitiator, sa.path.transport == .udp
        else { return }
        mobility.isProbing = true
        guard let standby = sa.stream?.standby else {
            return openStream(for: sa, from: sa.connection.localAddress, at: now)
        }
        send(message, along: standby)
    }

    /// A connection has opened while messages go by UDP: what is not answered goes by it too.
    func standBy(_ sa: IKESA, _ path: IKEPath, at now: Instant) {
        guard sa.mobility?.isProbing == true, !sa.requests.isEmpty else {
            return effects.append(.closeStream(local: path.local, remote: path.remote))
        }
        setStandby(path, of: sa)
        // It takes the place of one that was lost before UDP was gone back to.
        sa.isStreamLost = false
        for outstanding in sa.requests.outstanding where !outstanding.isHeld {
            send(outstanding.message, along: path)
        }
    }

    /// UDP has answered: the connection that stood by serves nothing any more.
    func endStandby(of sa: IKESA) {
        guard let standby = sa.stream?.standby, sa.mobility?.packetPath != standby else { return }
        setStandby(nil, of: sa)
    }

    /// An IKE SA that is closed takes the connection that stands by: whether UDP passes, which has not
    /// answered yet, is no matter any more, and the peer is to hear of the end.
    func takeStandby(of sa: IKESA, at now: Instant) {
        guard let standby = sa.stream?.standby else { return }
        setPath(standby, of: sa)
        setStandby(nil, of: sa)
        sendAgain(of: sa, at: now)
    }

    /// The IKE SA goes by TCP: UDP, which is better, is tried after a while.
    func armUDPTrial(of sa: IKESA, at now: Instant) {
        guard sa.path.transport == .tcp, sa.isSessionInitiator,
            sa.connection.transport.choice == .automatic, sa.timers[.udpTrial] == nil
        else { return }
        arm(.udpTrial, of: sa, at: now + sa.connection.transport.udpRetryInterval)
    }

    func tryUDP(_ sa: IKESA, at now: Instant) {
        guard let state = sa.established, !state.isReplaced, !isShuttingDown,
            sa.path.transport == .tcp
        else { return }
        armUDPTrial(of: sa, at: now)
        guard sa.connection.transport.choice == .automatic, !sa.isStreamLost else {
            return
        }
        if let mobility = sa.mobility {
            guard mobility.isInitiator else { return }
            changePath(of: sa, to: pathByUDP(sa), packetsFollowAtOnce: false, at: now)
        } else {
            replaceFromScratch(sa, state, byUDP: true, at: now)
        }
    }

    /// A connection that does not come back: with MOBIKE, perhaps UDP passes here.
    func goBackToUDP(_ sa: IKESA, at now: Instant) -> Bool {
        guard sa.connection.transport.choice == .automatic, let mobility = sa.mobility,
            mobility.isInitiator, let state = sa.established, !state.isReplaced
        else { return false }
        changePath(of: sa, to: pathByUDP(sa), packetsFollowAtOnce: false, at: now)
        return true
    }

    /// The same two ends by UDP; RFC 4555 §3.3: at the port of NAT traversal.
    func pathByUDP(_ sa: IKESA, from local: IPAddress? = nil) -> IKEPath {
        IKEPath(
            local: Endpoint(
                address: local ?? sa.path.local.address,
                port: settings.natTraversalPort
            ),
            remote: Endpoint(address: sa.path.remote.address, port: settings.natTraversalPort)
        )
    }
}

extension IKESA {
    /// The connection that packets go by while messages try UDP; nil without a trial.
    var standbyOfTrial: IKEPath? {
        guard let standby = stream?.standby, standby == mobility?.packetPath else { return nil }
        return standby
    }
}
