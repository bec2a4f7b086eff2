internal import IKEMessages
internal import IPsecPrimitives

/// UPDATE_SA_ADDRESSES, the initiator's side (RFC 4555 §3.5).
///
///     HDR, SK { N(UPDATE_SA_ADDRESSES), [N(NAT_DETECTION_*_IP),] [N(NO_NATS_ALLOWED),]
///               [N(ADDITIONAL_*_ADDRESS)+,] N(COOKIE2) }  -->
///                         <--  HDR, SK { [N(NAT_DETECTION_*_IP),] N(COOKIE2) }
extension IKEEngine {
    /// Messages take another path from now on. Packets follow at once where the old path cannot
    /// work any more and the peer is where it was, else when the peer has answered along the new
    /// one: until then the old one carries them.
    ///
    /// - Parameter answered: a request whose answer is at hand, so that it need not be repeated.
    func changePath(
        of sa: IKESA,
        to path: IKEPath,
        packetsFollowAtOnce: Bool,
        answered: UInt32? = nil,
        at now: Instant
    ) {
        guard let mobility = sa.mobility, let state = sa.established, path != sa.path else {
            return
        }
        let former = sa.path
        // While UDP is tried, the connection stays: packets go by it, and messages may have to.
        if former.transport == .tcp, path.transport == .udp, !sa.isStreamLost {
            setStandby(former, of: sa)
        }
        setPath(path, of: sa)
        if path == sa.stream?.standby { setStandby(nil, of: sa) }
        mobility.natDetections = 0
        // RFC 4555 §3.7: "the return routability check SHOULD be done before updating the IPsec
        // SAs". Where the peer has not been so far, it is the answer to the update.
        let isPeerKnownThere = path.remote.address == mobility.packetPath.remote.address
        if packetsFollowAtOnce, isPeerKnownThere, path != mobility.packetPath {
            movePackets(of: sa, state, mobility)
            report(.movedTo(local: path.local, remote: path.remote), of: sa)
        }
        // RFC 4555 §3.5: outstanding requests go on "using the addresses in the IKE_SA (the new
        // addresses)".
        sendAgain(of: sa, except: answered, at: now)
        enqueue(.updateAddresses, of: sa, at: now)
    }

    /// Begins the exchange.
    func startAddressUpdate(of sa: IKESA, at now: Instant) {
        guard let mobility = sa.mobility, mobility.isInitiator else { return }
        mobility.hasProbed = false
        let additional = additionalAddresses(of: sa.connection, besides: sa.path.local.address)
        let update = AddressUpdate(
            path: sa.path,
            cookie: random.bytes(16),
            announced: additional == mobility.announced ? nil : additional
        )
        var payloads: [Payload] = [.notify(NotifyPayload(.updateSAAddresses))]
        payloads += natDetection(of: sa, mayForge: true)
        if let announced = update.announced {
            payloads += MobilityNotifies.additional(announced, saysNone: true)
        }
        payloads.append(MobilityNotifies.cookie(update.cookie))
        request(.updateAddresses(update), .informational, payloads, of: sa, at: now)
    }

    /// NAT_DETECTION_*_IP, or NO_NATS_ALLOWED where the peer does not know NAT traversal
    /// (RFC 4555 §3.9).
    func natDetection(of sa: IKESA, mayForge: Bool) -> [Payload] {
        guard sa.nat.isSupported else {
            return sa.path.transport == .tcp ? [] : [MobilityNotifies.noNATs(sa.path)]
        }
        let isForged = mayForge && sa.nat.isForced && sa.path.transport == .udp
        return NATDetection.notifies(
            initiatorSPI: sa.initiatorSPI,
            responderSPI: sa.responderSPI,
            path: sa.path,
            forgedSource: isForged ? random.bytes(NATDetection.hashLength) : nil
        )
    }

    func receiveUpdateResponse(
        _ content: MessageContent,
        _ update: AddressUpdate,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        guard let mobility = sa.mobility else { return }
        guard content.notify(.cookie2)?.data == update.cookie else {
            // RFC 4555 §3.7: "If the values do not match, the IKE_SA MUST be closed."
            return close(sa, because: .failed(MobilityFailure.otherCookie), at: now)
        }
        // RFC 4555 §3.5: "If a new address change occurs while waiting for the response, starts
        // again from the first step (and ignores responses to this" one).
        guard update.path == sa.path, !update.wentElsewhere else {
            return enqueue(.updateAddresses, of: sa, at: now)
        }
        if content.notify(.unexpectedNATDetected) != nil {
            return receiveUnexpectedNAT(sa, state, mobility, at: now)
        }
        if content.notify(.unacceptableAddresses) != nil {
            mobility.refused.append(sa.path)
            report(.addressesRefused(MobilityFailure.refused(sa.path, sa.connection)), of: sa)
            return fallBack(sa, state, mobility, at: now)
        }
        if let announced = update.announced { mobility.announced = announced }
        mobility.refused = []
        mobility.natDetections = 0
        learnMapping(of: sa, content, mobility)
        // RFC 4555 §3.7: of a request that went to several addresses the answer "does not tell which
        // address is the working one. In this case, a new INFORMATIONAL request needs to be sent".
        if mobility.hasProbed, sa.path.remote.address != mobility.packetPath.remote.address {
            return enqueue(.updateAddresses, of: sa, at: now)
        }
        let hasMoved = mobility.packetPath != sa.path
        movePackets(of: sa, state, mobility)
        endStandby(of: sa)
        rearmKeepalive(of: sa, at: now)
        if hasMoved { report(.movedTo(local: sa.path.local, remote: sa.path.remote), of: sa) }
    }

    /// RFC 4555 §3.9: "it SHOULD retry the operation several times", lest one changed packet keep
    /// a path unused.
    private func receiveUnexpectedNAT(
        _ sa: IKESA,
        _ state: Established,
        _ mobility: Mobility,
        at now: Instant
    ) {
        mobility.natDetections += 1
        if mobility.natDetections < sa.connection.retransmission.tries {
            return enqueue(.updateAddresses, of: sa, at: now)
        }
        mobility.natDetections = 0
        mobility.refused.append(sa.path)
        report(.addressesRefused(MobilityFailure.translated(sa.path, sa.connection)), of: sa)
        fallBack(sa, state, mobility, at: now)
    }

    /// Another path that has not been refused; else the one that packets still take.
    private func fallBack(
        _ sa: IKESA,
        _ state: Established,
        _ mobility: Mobility,
        at now: Instant
    ) {
        if let next = candidatePaths(of: sa).first(where: { !mobility.refused.contains($0) }) {
            let isOldGone = !isLocal(mobility.packetPath.local.address)
            return changePath(of: sa, to: next, packetsFollowAtOnce: isOldGone, at: now)
        }
        mobility.refused = []
        let isMoving = sa.path != mobility.packetPath
        setPath(mobility.packetPath, of: sa)
        if sa.path == sa.stream?.standby { setStandby(nil, of: sa) }
        // RFC 4555 §3.5: what has no answer yet went where nothing comes back from.
        if isMoving { sendAgain(of: sa, at: now) }
    }

    /// Takes what the peer's hashes tell as the situation on the path of now.
    func learnMapping(of sa: IKESA, _ content: MessageContent, _ mobility: Mobility) {
        guard sa.nat.isSupported, content.notify(.natDetectionSourceIP) != nil,
            let destination = content.notify(.natDetectionDestinationIP)
        else { return }
        let isForced = sa.nat.isForced
        sa.nat = NATDetection.situation(
            content,
            initiatorSPI: sa.initiatorSPI,
            responderSPI: sa.responderSPI,
            path: sa.path
        )
        sa.nat.isForced = isForced
        mobility.mapping = destination.data
    }

    /// RFC 4555 §3.8: behind a NAT, the initiator asks along with a sign of life how it is seen.
    func livenessPayloads(of sa: IKESA) -> [Payload] {
        guard let mobility = sa.mobility, mobility.isInitiator, sa.nat.isLocalTranslated else {
            return []
        }
        return natDetection(of: sa, mayForge: false)
    }

    /// The answer to a sign of life that had the hashes in it (RFC 4555 §3.8).
    func compareMapping(of sa: IKESA, _ content: MessageContent, at now: Instant) {
        guard let mobility = sa.mobility, mobility.isInitiator,
            let seen = content.notify(.natDetectionDestinationIP)?.data
        else { return }
        // Nothing is known of it after IKE_SA_INIT, which went from another port, nor after a rekey,
        // since when other SPIs are in the hash: an update that may not be needed is harmless.
        if mobility.mapping != seen { enqueue(.updateAddresses, of: sa, at: now) }
    }

    /// Child SAs take the path of messages, in UDP or not as the NATs on it demand.
    func movePackets(of sa: IKESA, _ state: Established, _ mobility: Mobility) {
        let isSamePath = mobility.packetPath == sa.path
        mobility.packetPath = sa.path
        mobility.isPathUnproven = false
        mobility.isFollowed = false
        mobility.keptEncapsulation = nil
        for spi in state.children.keys.sorted() {
            // RFC 4555 moves tunnels alone: in transport mode the addresses are the traffic.
            if state.children[spi]?.traits.mode == .transport { continue }
            if isSamePath, state.children[spi]?.isEncapsulated == sa.isEncapsulated { continue }
            state.children[spi]?.isEncapsulated = sa.isEncapsulated
            effects.append(.updateEndpoints(inboundSPI: spi, path: sa.childPath))
        }
    }

    func rearmKeepalive(of sa: IKESA, at now: Instant) {
        disarm(.keepalive, of: sa)
        guard sa.nat.isLocalTranslated, sa.path.transport == .udp,
            let interval = sa.connection.keepaliveInterval
        else {
            return
        }
        arm(.keepalive, of: sa, at: now + interval)
    }
}

enum MobilityFailure {
    static let otherCookie = "the peer answered with another COOKIE2 than it was sent"

    static func refused(_ path: IKEPath, _ connection: IKEConnection) -> NegotiationFailure {
        NegotiationFailure(
            subject: .connection,
            explanation: "The peer does not accept the addresses \(path.local.address) and "
                + "\(path.remote.address) (UNACCEPTABLE_ADDRESSES).",
            source: connection.source,
            remedy: "Let the peer accept this end from there; here, `local` at "
                + "\(connection.source) can bind the connection to one address."
        )
    }

    static func translated(_ path: IKEPath, _ connection: IKEConnection) -> NegotiationFailure {
        NegotiationFailure(
            subject: .connection,
            explanation: "A NAT changes addresses between \(path.local.address) and "
                + "\(path.remote.address), and the peer does not know NAT traversal "
                + "(UNEXPECTED_NAT_DETECTED).",
            source: connection.source,
            remedy: "Switch NAT traversal on at the peer, or take the NAT away."
        )
    }

    static func unacceptable(_ path: IKEPath, _ connection: IKEConnection) -> NegotiationFailure {
        NegotiationFailure(
            subject: .connection,
            explanation: "The peer wants to move to \(path.remote.address), where this connection "
                + "does not expect it.",
            accepted: connection.remotePrefixes.map(\.description),
            source: connection.source,
            remedy: "Write `mobike: true` at \(connection.source) to let it go anywhere, or give "
                + "the connection that address."
        )
    }
}
