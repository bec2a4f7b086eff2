internal import IKECredentials
internal import IPsecPrimitives

/// What the caller asks for.
extension IKEEngine {
    func initiate(_ initiation: IKEEvent.Initiation, at now: Instant) {
        guard let connection = connection(named: initiation.connection) else {
            return refuse(
                initiation,
                NegotiationFailure(
                    subject: .connection,
                    explanation: "There is no connection \(initiation.connection).",
                    remedy: "Use one of: \(connections.map(\.name).joined(separator: ", "))."
                )
            )
        }
        if let name = initiation.child, !connection.children.contains(where: { $0.name == name }) {
            return refuse(
                initiation,
                NegotiationFailure(
                    subject: .connection,
                    explanation: "Connection \(connection.name) has no child \(name).",
                    source: connection.source,
                    remedy: "Use one of: "
                        + connection.children.map(\.name).joined(separator: ", ") + "."
                )
            )
        }
        for sa in sas.ofConnection(connection.name) {
            // RFC 5685 §3: whoever was sent elsewhere waits for nothing that is on its way to another.
            if initiation.redirectedFrom != nil, let remote = initiation.remoteAddress,
                sa.established == nil, sa.path.remote.address != remote
            {
                continue
            }
            if join(initiation, sa, at: now) { return }
        }
        // Where it is as good as known, the peer is called at its address of now.
        if initiation.remoteAddress == nil, let full = fullSA(of: connection.name) {
            if initiation.isDispensable {
                return report(.resourcesExhausted, of: full, child: initiation.child)
            }
            return startIKESA(for: initiation, connection, as: .beside(full), at: now)
        }
        startIKESA(for: initiation, connection, at: now)
    }

    func probe(_ connection: String, at now: Instant) {
        // Whatever is under way asks the same question.
        for sa in sas.ofConnection(connection) where sa.established != nil && sa.requests.isEmpty {
            enqueue(.checkLiveness, of: sa, at: now)
        }
    }

    func refuse(_ initiation: IKEEvent.Initiation, _ failure: NegotiationFailure) {
        effects.append(
            .report(
                IKEReport(
                    connection: initiation.connection,
                    child: initiation.child,
                    packet: initiation.packet,
                    event: .initiationFailed(failure)
                )
            )
        )
    }

    /// Uses an IKE SA that is there or on its way; false when this one will not do.
    func join(
        _ initiation: IKEEvent.Initiation,
        _ sa: IKESA,
        at now: Instant
    ) -> Bool {
        switch sa.state {
        case .initiating(var state):
            sa.isAskedFor = true
            guard !state.wanted.contains(where: { $0.does(for: initiation, sa.connection) }) else {
                return true
            }
            state.wanted.append(initiation)
            sa.state = .initiating(state)
            return true
        case .exchangingKeys(var state):
            sa.isAskedFor = true
            guard !state.wanted.contains(where: { $0.does(for: initiation, sa.connection) }) else {
                return true
            }
            state.wanted.append(initiation)
            sa.state = .exchangingKeys(state)
            return true
        case .authenticating(var state):
            sa.isAskedFor = true
            if state.isChildUnwanted, state.child?.policy.name == initiation.child {
                state.isChildUnwanted = false
                sa.state = .authenticating(state)
                return true
            }
            let all = (state.child.map { [$0.initiation] } ?? []) + state.wanted
            guard !all.contains(where: { $0.does(for: initiation, sa.connection) }) else {
                return true
            }
            state.wanted.append(initiation)
            sa.state = .authenticating(state)
            return true
        case .established(let state):
            guard sa.isToStay(state) else { return false }
            if state.isFull, state.currentChild(named: initiation.child ?? "") == nil {
                return false
            }
            // A rekeying may come to nothing, and the old child is closed.
            let isRekeying = sa.isRekeyingChild(named: initiation.child)
            if sa.changeOutstandingChild(named: initiation.child, isUnwanted: false), !isRekeying {
                return true
            }
            enqueue(.createChild(initiation), of: sa, at: now)
            return true
        case .halfOpen, .closing, .closed: return false
        }
    }

    /// The policy that an initiation means: the one it names, or the connection's first.
    func policy(for initiation: IKEEvent.Initiation, _ connection: IKEConnection) -> ChildPolicy? {
        guard let name = initiation.child else { return connection.children.first }
        return connection.children.first { $0.name == name }
    }
}

extension IKESA {
    /// Whether anything new begins in it: another has not replaced it and is not about to, and the peer
    /// has not sent us elsewhere.
    func isToStay(_ state: Established) -> Bool {
        !state.isReplaced && !state.isRetiring && !isLeaving
    }
}
