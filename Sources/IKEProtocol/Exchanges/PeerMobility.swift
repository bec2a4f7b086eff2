internal import IPsecPrimitives

/// A peer whose mapped address changes (RFC 7296 §2.23).
extension IKEEngine {
    /// Follows an authentic message. What came before, and comes again, never gets here: its
    /// message ID has passed.
    func followPeer(of sa: IKESA, _ datagram: IKEDatagram) {
        let path = IKEPath(local: datagram.local, remote: datagram.remote)
        guard path != sa.path else { return }
        switch sa.state {
        case .halfOpen:
            // The initiator moves to port 4500 with IKE_AUTH, behind a NAT or not.
            sa.path = path
        case .established(let state):
            // RFC 4555 §3.8: with MOBIKE, "the host not behind a NAT MUST NOT use these dynamic
            // updates for IKEv2 packets, but MAY use them for ESP packets".
            guard sa.mayFollow, sa.mobility == nil else { return }
            move(sa, state, to: path)
        case .initiating, .resuming, .exchangingKeys, .authenticating, .closing, .closed: break
        }
    }

    func followPeer(ofChild spi: SPI, to remote: Endpoint) {
        guard let sa = sas.owner(ofChild: spi), let state = sa.established, sa.mayFollow,
            sa.path.remote != remote
        else { return }
        move(sa, state, to: IKEPath(local: sa.path.local, remote: remote))
    }

    private func move(_ sa: IKESA, _ state: Established, to path: IKEPath) {
        if path.remote != sa.path.remote {
            report(.peerMoved(from: sa.path.remote, to: path.remote), of: sa)
        }
        sa.path = path
        sa.mobility?.packetPath = path
        for spi in state.children.keys.sorted() {
            guard let child = state.children[spi] else { continue }
            effects.append(
                .updateEndpoints(
                    inboundSPI: spi,
                    path: ChildSAPath(
                        local: path.local,
                        remote: path.remote,
                        isEncapsulated: child.isEncapsulated
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
