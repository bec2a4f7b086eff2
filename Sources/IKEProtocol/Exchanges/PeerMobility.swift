internal import IKEMessages
internal import IPsecPrimitives

/// A peer whose mapped address changes (RFC 7296 §2.23).
extension IKEEngine {
    /// Follows an authentic message. What came before, and comes again, never gets here: its
    /// message ID has passed.
    func followPeer(of sa: IKESA, _ datagram: IKEDatagram, at now: Instant) {
        let path = IKEPath(datagram)
        if path.transport == .tcp { sa.stream?.failures = 0 }
        // RFC 9329 §5: an IKE SA stays with its transport "until the SA is deleted or" MOBIKE
        // changes it.
        guard path != sa.path, path.transport == sa.path.transport else { return }
        if path.transport == .tcp { return followStream(sa, path, at: now) }
        switch sa.state {
        case .halfOpen:
            // The initiator moves to port 4500 with IKE_AUTH, behind a NAT or not.
            setPath(path, of: sa)
        case .established(let state):
            // RFC 4555 §3.8: with MOBIKE, "the host not behind a NAT MUST NOT use these dynamic
            // updates for IKEv2 packets, but MAY use them for ESP packets".
            guard sa.mayFollow, sa.mobility == nil else { return }
            move(sa, state, to: path)
        case .initiating, .exchangingKeys, .authenticating, .closing, .closed: break
        }
    }

    /// Whether a request may have been sent from there. Who copies IKE_AUTH and is faster than its
    /// sender must not be taken for the place where the peer is: between the first request and that
    /// one, only a NAT changes the address.
    func mayComeFrom(_ address: IPAddress, _ header: MessageHeader, _ sa: IKESA) -> Bool {
        guard case .halfOpen = sa.state, !header.isResponse else { return true }
        return address == sa.path.remote.address || sa.nat.isRemoteTranslated
    }

    /// RFC 9329 §6.1: the responder "SHOULD choose the TCP connection on which it last received a
    /// valid and decryptable" message, from whatever address it comes.
    private func followStream(_ sa: IKESA, _ path: IKEPath, at now: Instant) {
        guard !sa.isSessionInitiator else { return }
        switch sa.state {
        case .halfOpen, .closing: setPath(path, of: sa)
        case .established(let state): move(sa, state, to: path)
        case .initiating, .exchangingKeys, .authenticating, .closed: return
        }
        sa.isStreamLost = false
        // RFC 9329 §6.2: whoever waits for a response "MUST retransmit its request over this
        // connection".
        sendAgain(of: sa, at: now)
    }

    func followPeer(ofChild spi: SPI, to remote: Endpoint, at now: Instant) {
        guard let sa = sas.owner(ofChild: spi), let state = sa.established, sa.mayFollow,
            sa.path.remote != remote, sa.path.transport == .udp
        else { return }
        let path = IKEPath(local: sa.path.local, remote: remote)
        if let mobility = sa.mobility {
            let isUnproven = mobility.isPathUnproven
            // What still comes from where the peer was says nothing of where it wants to be.
            if isUnproven, remote.address != sa.path.remote.address { return }
            if remote.address != mobility.packetPath.remote.address {
                if isUnproven { return askAgain(sa, along: path, at: now) }
                // Where packets go without UDP, no NAT is followed.
                if state.children.values.contains(where: { !$0.isEncapsulated }) { return }
            }
        }
        move(sa, state, to: path)
    }

    /// A NAT has given the peer another port at an address that is in question. RFC 4555 §3.7: packets
    /// go there once it has been shown to be the peer's, and what follows a NAT does not show it; but
    /// the question goes there (§3.8: an end "MAY use" dynamic updates "for ESP packets").
    private func askAgain(_ sa: IKESA, along path: IKEPath, at now: Instant) {
        setPath(path, of: sa)
        sendAgain(of: sa, at: now)
    }

    private func move(_ sa: IKESA, _ state: Established, to path: IKEPath) {
        if path.remote != sa.path.remote {
            report(.peerMoved(from: sa.path.remote, to: path.remote), of: sa)
        }
        setPath(path, of: sa)
        if let mobility = sa.mobility {
            let isElsewhere = path.remote.address != mobility.packetPath.remote.address
            if isElsewhere { mobility.isFollowed = true }
            mobility.packetPath = path
        }
        updateEndpoints(of: sa, state)
    }

    func updateEndpoints(of sa: IKESA, _ state: Established) {
        for spi in state.children.keys.sorted() {
            guard let child = state.children[spi] else { continue }
            effects.append(
                .updateEndpoints(
                    inboundSPI: spi,
                    path: ChildSAPath(
                        local: sa.path.local,
                        remote: sa.path.remote,
                        isEncapsulated: child.isEncapsulated,
                        transport: sa.path.transport
                    )
                )
            )
        }
    }
}

extension IKESA {
    /// RFC 7296 §2.23: the end that is not behind a NAT sends where authentic packets come from;
    /// "the host behind the NAT SHOULD NOT do this type of dynamic address update".
    fileprivate var mayFollow: Bool { nat.isRemoteTranslated && !nat.isLocalTranslated }
}
