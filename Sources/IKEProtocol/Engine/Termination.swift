internal import IPsecPrimitives

/// What the caller does not want any more, however far it has come.
extension IKEEngine {
    func terminate(_ name: String, child: String?, at now: Instant) {
        // RFC 5723 §6.2: "when a user logs out, the ticket MUST be deleted".
        if child == nil { forgetTicket(of: name) }
        for sa in sas.ofConnection(name) {
            guard let child else {
                // Whose it is shows when the peer says who it is; a wish of its own may follow ours.
                if case .halfOpen = sa.state { continue }
                close(sa, because: .requested, at: now)
                continue
            }
            switch sa.state {
            case .initiating(var state):
                state.wanted.removeAll { $0.child == child }
                sa.state = .initiating(state)
                if state.wanted.isEmpty { close(sa, because: .requested, at: now) }
            case .exchangingKeys(var state):
                state.wanted.removeAll { $0.child == child }
                sa.state = .exchangingKeys(state)
                if state.wanted.isEmpty { close(sa, because: .requested, at: now) }
            case .authenticating(let state): forget(child, of: sa, state, at: now)
            case .established(let state): closeChildren(child, of: sa, state, at: now)
            case .halfOpen, .closing, .closed: break
            }
        }
    }

    private func forget(
        _ child: String,
        of sa: IKESA,
        _ authenticating: Authenticating,
        at now: Instant
    ) {
        var state = authenticating
        state.wanted.removeAll { $0.child == child }
        state.isChildUnwanted = state.isChildUnwanted || state.child?.policy.name == child
        sa.state = .authenticating(state)
        if state.isChildUnwanted, state.wanted.isEmpty {
            close(sa, because: .requested, at: now)
        }
    }

    private func closeChildren(
        _ child: String,
        of sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        state.tasks.removeAll { task in
            if case .createChild(let wanted) = task { wanted.child == child } else { false }
        }
        for timer in sa.timers.keys {
            if case .retry(.createChild(let wanted)) = timer, wanted.child == child {
                disarm(timer, of: sa)
            }
        }
        sa.changeOutstandingChild(named: child, isUnwanted: true)
        let closing = state.children.values.filter { $0.policy.name == child }
            .sorted { $0.inboundSPI < $1.inboundSPI }
        for doomed in closing { state.children[doomed.inboundSPI]?.isUnwanted = true }
        // RFC 7296 §2.25.1: nor does the peer replace what is being closed.
        releaseFollowUps(of: state, makingChildrenOf: child)
        // What was replaced first, or it would take over again when its successor goes.
        for old in closing.filter(\.isReplaced) + closing.filter({ $0.stage == .current })
        where !sa.isDeleting(old.inboundSPI) {
            enqueue(.deleteChild(inboundSPI: old.inboundSPI), of: sa, at: now)
        }
    }
}

extension IKESA {
    func isRekeyingChild(named name: String?) -> Bool {
        requests.contains { exchange in
            guard case .createChild(let child) = exchange else { return false }
            return child.replaces != nil && child.offer.policy.name == name
        }
    }

    func isMakingUnwantedChild(named name: String) -> Bool {
        requests.contains { exchange in
            guard case .createChild(let child) = exchange else { return false }
            return child.isUnwanted && child.offer.policy.name == name
        }
    }

    /// Changes what becomes of a child that is being negotiated; false when none is, or when it
    /// is as it should be already.
    @discardableResult
    func changeOutstandingChild(named name: String?, isUnwanted: Bool) -> Bool {
        requests.change { exchange in
            guard case .createChild(var child) = exchange, child.offer.policy.name == name,
                child.isUnwanted != isUnwanted
            else { return false }
            child.isUnwanted = isUnwanted
            exchange = .createChild(child)
            return true
        }
    }
}
