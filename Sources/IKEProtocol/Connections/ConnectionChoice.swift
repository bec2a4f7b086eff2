internal import IKECredentials
internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// Which connection a peer that comes to us means.
///
/// Before identities are known (RFC 7296 §1.2) addresses and proposals are all there is to tell; the
/// identities then lead to any other connection that takes what was chosen.
enum ConnectionChoice {
    /// What is chosen of a first offer, and by which connection.
    struct Acceptance {
        let connection: IKEConnection
        let choice: ProposalSelection.Choice
        let suite: IKESuite
    }

    /// The connections that fit the addresses in groups: those that name them most exactly first,
    /// each group in the order of the configuration.
    static func ranks(
        _ connections: [IKEConnection],
        along path: IKEPath,
        _ whereabouts: PeerWhereabouts
    ) -> [[IKEConnection]] {
        // Kinds of match are few, however many connections there are.
        var groups: [(match: AddressMatch, connections: [IKEConnection])] = []
        for connection in connections {
            guard let match = AddressMatch(connection, along: path, whereabouts) else { continue }
            if let place = groups.firstIndex(where: { $0.match == match }) {
                groups[place].connections.append(connection)
            } else {
                groups.append((match, [connection]))
            }
        }
        groups.sort { $0.match > $1.match }
        return groups.map(\.connections)
    }

    /// The first group that takes anything of an offer decides. Nothing tells its connections apart,
    /// and the one goes ahead that takes what the initiator prefers (RFC 7296 §3.3: proposals "MUST be
    /// ordered from most preferred to least preferred"): the peer is configured like the connection
    /// that it means.
    static func acceptance(
        _ ranks: [[IKEConnection]],
        of offered: [ProposalSubstructure],
        guessedMethod: KeyExchangeMethod,
        takesAdditional: Bool
    ) -> Acceptance? {
        for rank in ranks {
            var best: (acceptance: Acceptance, place: Int)?
            for connection in rank {
                guard
                    let choice = try? ProposalSelection.choose(
                        from: offered,
                        accepting: connection.proposals,
                        for: .ikeSA,
                        guessedMethod: guessedMethod,
                        takesAdditional: takesAdditional
                    ),
                    let suite = IKESuite(choice.transforms),
                    let place = offered.firstIndex(where: { $0.number == choice.number }),
                    place < best?.place ?? Int.max
                else { continue }
                best = (Acceptance(connection: connection, choice: choice, suite: suite), place)
                // Very many may be alike; there is nothing better.
                if place == 0 { break }
            }
            if let best { return best.acceptance }
        }
        return nil
    }

    /// Whether a peer is sent to one place at its first message, if to any, whichever connection it
    /// means: each counts that fits the addresses and takes anything of the offer.
    static func redirectsAlike(
        _ candidates: [IKEConnection],
        as chosen: IKEConnection,
        of offered: [ProposalSubstructure],
        takesAdditional: Bool
    ) -> Bool {
        let target = chosen.redirection.firstTarget
        // Most send nobody anywhere, and very many may be alike.
        return target == nil
            || candidates.allSatisfy { candidate in
                candidate.redirection.firstTarget == target
                    || (try? ProposalSelection.choose(
                        from: offered,
                        accepting: candidate.proposals,
                        for: .ikeSA,
                        takesAdditional: takesAdditional
                    )) == nil
            }
    }

    /// The connections that fit addresses and identities: those that name the peer first, and among
    /// them those that name the addresses most exactly.
    ///
    /// - Parameter wantedLocal: the IDr that the initiator asks for; nil: whichever we have.
    static func candidates(
        _ ranks: [[IKEConnection]],
        remote: Identity,
        wantedLocal: Identity?
    ) -> [IKEConnection] {
        var naming: [IKEConnection] = []
        var takingAny: [IKEConnection] = []
        for connection in ranks.joined()
        where wantedLocal == nil || wantedLocal == connection.localIdentity {
            switch connection.remoteIdentity {
            case .any: takingAny.append(connection)
            case .exactly(let identity) where identity == remote: naming.append(connection)
            case .exactly: break
            }
        }
        return naming + takingAny
    }

    /// The connection that a peer which is to be refused is known to mean: the only one that fits the
    /// addresses, if it names the peer's or there is no other at all. One for any address is for
    /// whoever comes, and for the peer of another connection that comes from where it is not expected.
    static func meant(
        of connections: [IKEConnection],
        along path: IKEPath,
        _ whereabouts: PeerWhereabouts
    ) -> IKEConnection? {
        let near = connections.filter { $0.mayMeet(path) }
        guard near.count == 1, let only = near.first else { return nil }
        let namesPeer = AddressMatch(only, along: path, whereabouts)?.namesPeer ?? false
        return namesPeer || connections.count == 1 ? only : nil
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
        _ connections: [IKEConnection],
        _ whereabouts: PeerWhereabouts
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
        return RefusedPeer(
            failure,
            of: meant ?? ConnectionChoice.meant(of: connections, along: path, whereabouts)
        )
    }
}

extension IKEConnection {
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
