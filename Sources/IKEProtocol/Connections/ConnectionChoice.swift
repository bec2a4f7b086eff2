internal import IKECredentials
internal import IPsecPrimitives

/// Which connection a peer that comes to us means.
enum ConnectionChoice {
    /// The connections that fit addresses and identities, those that name the peer first.
    ///
    /// - Parameter wantedLocal: the IDr that the initiator asks for; nil: whichever we have.
    static func candidates(
        _ connections: [IKEConnection],
        along path: IKEPath,
        remote: Identity,
        wantedLocal: Identity?
    ) -> [IKEConnection] {
        let fitting = connections.filter { connection in
            connection.mayMeet(path) && connection.remoteIdentity.matches(remote)
                && (wantedLocal == nil || wantedLocal == connection.localIdentity)
        }
        return fitting.filter { $0.remoteIdentity != .any }
            + fitting.filter { $0.remoteIdentity == .any }
    }

    static func noneMeets(
        _ datagram: IKEDatagram,
        _ connections: [IKEConnection]
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .connection,
            explanation: "No connection is for \(datagram.remote.address) at our address "
                + "\(datagram.local.address).",
            accepted: connections.map { connection in
                "\(connection.name) (\(connection.source)): "
                    + (connection.remoteAddress?.description ?? "any address")
            },
            source: connections.first?.source,
            remedy: "Add a connection for that peer, or correct the addresses of one."
        )
    }

    /// Words for a peer whose identities fit no connection.
    static func unknownIdentity(
        _ remote: Identity,
        wantedLocal: Identity?,
        along path: IKEPath,
        _ connections: [IKEConnection]
    ) -> RefusedPeer {
        let near = connections.filter { $0.mayMeet(path) }
        let meant = near.first { $0.remoteIdentity.matches(remote) }
        let isLocalWrong = meant != nil
        let wanted = wantedLocal?.description ?? ""
        let source = meant?.localIdentitySource ?? near.first?.remoteIdentitySource
        let failure = NegotiationFailure(
            subject: .identity,
            explanation: isLocalWrong
                ? "\(remote) asks for us by the identity \(wanted), which we do not have."
                : "The peer says that it is \(remote); no connection is for that identity.",
            offered: [isLocalWrong ? wanted : remote.description],
            accepted: near.map { connection in
                isLocalWrong
                    ? "\(connection.name): \(connection.localIdentity)"
                    : "\(connection.name): \(connection.remoteIdentity)"
            },
            source: source,
            remedy: isLocalWrong
                ? "Write \(wanted) as the local identity at \(source ?? "a connection"), or "
                    + "correct what the peer expects of us."
                : "Write \(remote) as the remote identity at \(source ?? "a connection"), or "
                    + "correct the peer's own identity."
        )
        return RefusedPeer(failure, of: meant ?? (near.count == 1 ? near.first : nil))
    }
}

extension IKEConnection {
    func mayMeet(_ datagram: IKEDatagram) -> Bool {
        mayMeet(IKEPath(datagram))
    }

    /// Whether the peer may come from, and find us at, these addresses.
    func mayMeet(_ path: IKEPath) -> Bool {
        if let localAddress = self.localAddress, localAddress != path.local.address { return false }
        guard self.transport.allows(path.transport) else { return false }
        return mayComeFrom(path.remote.address)
    }

    /// RFC 9329 §6.5: by TCP, there is nothing to encapsulate in UDP.
    func forcesUDP(along path: IKEPath) -> Bool {
        self.encapsulation == .udp && path.transport == .udp
    }

    /// Whether the peer may be found at, or come from, an address.
    func mayComeFrom(_ address: IPAddress) -> Bool {
        let prefixes = self.remotePrefixes
        if !prefixes.isEmpty { return prefixes.contains { $0.contains(address) } }
        return self.remoteAddress == nil || self.remoteAddress == address
    }
}
