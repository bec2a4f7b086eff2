internal import IPsecCrypto
internal import IPsecPrimitives

/// What an IKE SA is begun for.
enum Beginning {
    /// What somebody wants.
    case new
    /// The same, where a ticket has been of no use.
    case withoutTicket
    /// Besides an IKE SA in which the peer makes no more Child SAs.
    case beside(IKESA)
    /// To take the place of an IKE SA, for which identities are proven anew.
    case replacing(IKESA, byUDP: Bool)

    /// Those that are to go as soon as this one has all that they have.
    var retires: [IKESPI] {
        switch self {
        case .new, .withoutTicket: []
        // What did not fit into `full` is perhaps what they had.
        case .beside(let full): full.retires
        case .replacing(let old, _): [old.localSPI]
        }
    }
}

/// How an IKE SA begins: to which address, by UDP or TCP, with a key exchange or a ticket, as a new
/// one or instead of another.
extension IKEEngine {
    func startIKESA(
        for initiation: IKEEvent.Initiation,
        _ connection: IKEConnection,
        as beginning: Beginning = .new,
        at now: Instant
    ) {
        let path: IKEPath
        let keys: FirstKeys
        do {
            path = try firstPath(for: initiation, connection, as: beginning)
            try requireSecret(connection, remote: path.remote.address)
            if let ticket = ticket(for: initiation, connection, as: beginning, path, at: now) {
                keys = .resumed(ticket)
            } else {
                keys = try exchangedKeys(connection)
            }
        } catch {
            return refuse(initiation, error)
        }
        let state = Initiating(keys: keys, nonce: freshNonce(), wanted: [initiation])
        let sa = IKESA(
            localSPI: freshIKESPI(),
            peerSPI: .zero,
            isOriginalInitiator: true,
            connection: connection,
            path: path,
            state: .initiating(state),
            now: now
        )
        // An address that we do not know arrives changed: the same as a forged one.
        sa.nat.isForced =
            path.transport == .udp
            && (connection.encapsulation == .udp || path.local.address.isUnspecified)
        sa.retires = beginning.retires
        if case .beside = beginning { sa.isAskedFor = true }
        sas.insert(sa)
        // RFC 9329 §6.5: what the first message says of ports is known once it is open.
        if path.transport == .tcp {
            return openStream(for: sa, from: path.local.address, at: now)
        }
        sendFirstRequest(sa, state, at: now)
    }

    private func firstPath(
        for initiation: IKEEvent.Initiation,
        _ connection: IKEConnection,
        as beginning: Beginning
    ) throws(NegotiationFailure) -> IKEPath {
        switch beginning {
        case .replacing(let old, let byUDP): path(insteadOf: old, byUDP: byUDP)
        case .beside(let full): path(insteadOf: full, byUDP: false)
        case .new, .withoutTicket: try path(for: initiation, connection)
        }
    }

    /// From one end to the other as an IKE SA goes; by TCP, along a connection of its own.
    private func path(insteadOf old: IKESA, byUDP: Bool) -> IKEPath {
        // While UDP is only being tried, the connection that stands by is what surely passes.
        var path = old.standbyOfTrial ?? old.path
        if byUDP {
            path.transport = .udp
            path.remote.port = settings.ikePort
            path.local.port = settings.ikePort
        } else if path.transport == .tcp {
            path.local.port = 0
            path.remote.port = old.connection.transport.port
        }
        return path
    }

    private func path(
        for initiation: IKEEvent.Initiation,
        _ connection: IKEConnection
    ) throws(NegotiationFailure) -> IKEPath {
        guard let remote = initiation.remoteAddress ?? connection.remoteAddress else {
            throw NegotiationFailure(
                subject: .connection,
                explanation: "Connection \(connection.name) names no address of the peer.",
                source: connection.source,
                remedy: "Give the remote address at \(connection.source), or let the peer begin."
            )
        }
        let local =
            initiation.localAddress ?? connection.localAddress ?? .unspecified(remote.version)
        let transport =
            initiation.transport ?? (connection.transport.choice == .tcp ? .tcp : .udp)
        if transport == .tcp {
            return IKEPath(
                local: Endpoint(address: local, port: 0),
                remote: Endpoint(address: remote, port: connection.transport.port),
                transport: .tcp
            )
        }
        return IKEPath(
            local: Endpoint(address: local, port: settings.ikePort),
            remote: Endpoint(address: remote, port: settings.ikePort)
        )
    }

    private func ticket(
        for initiation: IKEEvent.Initiation,
        _ connection: IKEConnection,
        as beginning: Beginning,
        _ path: IKEPath,
        at now: Instant
    ) -> SessionTicket? {
        // A new proof of identity, or another gateway, is nothing to be resumed; and by TCP, which
        // stands in for UDP, all begins from scratch.
        guard case .new = beginning, path.transport == .udp, initiation.redirectedFrom == nil else {
            return nil
        }
        return usableTicket(connection, to: path.remote.address, at: now)
    }

    private func exchangedKeys(
        _ connection: IKEConnection
    ) throws(NegotiationFailure) -> FirstKeys {
        let method = connection.proposals.lazy.compactMap { configured in
            configured.proposal.keyExchangeMethods.first
        }.first
        do {
            return .exchanged(
                try freshKeyPair(method ?? .none),
                offer: ProposalSelection.offer(connection.proposals, for: .ikeSA, spi: [])
            )
        } catch {
            throw NegotiationFailure(
                subject: .ikeProposal,
                explanation: "Connection \(connection.name) offers no key exchange to begin with.",
                source: connection.proposals.first?.source ?? connection.source,
                remedy: "Add a method such as x25519 to the proposals."
            )
        }
    }

    /// The regular exchange, for all that was wanted.
    func beginFromScratch(
        insteadOf sa: IKESA,
        _ state: Initiating,
        because reason: String,
        at now: Instant
    ) {
        report(.notResumed(reason), of: sa)
        let (connection, path) = (sa.connection, sa.path)
        discard(sa)
        guard var first = state.wanted.first else { return }
        first.localAddress = path.local.address
        first.remoteAddress = path.remote.address
        startIKESA(for: first, connection, as: .withoutTicket, at: now)
        for initiation in state.wanted.dropFirst() { initiate(initiation, at: now) }
    }
}
