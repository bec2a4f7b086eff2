internal import IPsecPrimitives

/// Which requests may be under way at the same time.
///
/// The peer may process them in any order (RFC 7296 §2.3), so two about the same thing go one after
/// the other, in the order in which they were wanted. What both ends begin at once is a matter of
/// §2.8 and §2.25, not of this.
extension IKESA {
    /// The place of the first task that may begin now.
    func nextTask(_ state: Established) -> Int? {
        var subjects = requests.outstanding.map { subject(of: $0.exchange, state) }
        // RFC 9370 §2.2.4: the peer goes on replacing the IKE SA by further exchanges. It would
        // answer TEMPORARY_FAILURE, and its answer would come to an IKE SA that has no children.
        if state.awaitsIKERekey { subjects.append(.wholeSA) }
        for (index, task) in state.tasks.enumerated()
        where !state.awaitsRekey(insteadOf: task) && !defers(task, state) {
            let subject = subject(of: task, state)
            if !subjects.contains(where: { subject.conflicts(with: $0) }) { return index }
            subjects.append(subject)
        }
        return nil
    }

    /// Time enough to replace a child whose rekeying has waited.
    private static var deferenceMargin: Duration { .seconds(5) }

    /// Whether a task waits, so that the peer's next try to replace the IKE SA finds no child being
    /// changed (RFC 7296 §2.25.2). What is new to be made, or to be closed, does not.
    private func defers(_ task: IKETask, _ state: Established) -> Bool {
        guard let end = timers[.deference], case .rekeyChild(let spi) = task,
            // One that is due for what it has carried has no time to lose.
            state.children[spi]?.rekeyAt != nil, timers[.childRekey(spi)] == nil
        else { return false }
        return timers[.childExpiry(spi)].map { $0 > end + IKESA.deferenceMargin } ?? true
    }

    /// Whether the request has left that no other may follow.
    var hasSentLastRequest: Bool {
        requests.contains { exchange in
            switch exchange {
            case .deleteIKESA, .tellAuthenticationFailure: true
            default: false
            }
        }
    }

    private func subject(of task: IKETask, _ state: Established) -> ExchangeSubject {
        switch task {
        case .createChild(let initiation):
            .child(initiation.child ?? connection.children.first?.name, nil)
        case .rekeyChild(let spi), .deleteChild(let spi):
            .child(state.children[spi]?.policy.name, spi)
        case .rekeyIKESA: .wholeSA
        case .deleteIKESA: .nothing
        case .checkLiveness, .updateAddresses, .announceAddresses, .checkRoutability, .redirect,
            .tellCrashToken, .requestTicket, .complainOfSPI, .probePathMTU:
            .peer
        }
    }

    private func subject(of exchange: IKEExchange, _ state: Established) -> ExchangeSubject {
        switch exchange {
        case .createChild(let child): .child(child.offer.policy.name, child.replaces)
        case .deleteChild(let spi): .child(state.children[spi]?.policy.name, spi)
        case .checkLiveness, .updateAddresses, .announceAddresses, .checkRoutability, .redirect,
            .tellCrashToken, .requestTicket, .complainOfSPI, .probePathMTU:
            .peer
        case .ikeSAInit, .ikeSessionResume, .ikeIntermediate, .ikeAuth, .rekeyIKESA, .deleteIKESA,
            .tellAuthenticationFailure:
            .wholeSA
        }
    }
}

/// What a request is about.
private enum ExchangeSubject {
    /// The children of one policy, or a child that is gone on this side and has only its SPI.
    case child(String?, SPI?)
    /// The IKE SA with all its children. RFC 7296 §2.25.1: the peer may not replace an IKE SA
    /// while we change a child of it, so neither do we.
    case wholeSA
    /// Nothing but whether the peer answers.
    case peer
    case nothing

    func conflicts(with other: ExchangeSubject) -> Bool {
        switch (self, other) {
        case (.child(let name, let spi), .child(let otherName, let otherSPI)):
            (name != nil && name == otherName) || (spi != nil && spi == otherSPI)
        case (.wholeSA, .wholeSA), (.wholeSA, .child), (.child, .wholeSA), (.peer, .peer): true
        case (.wholeSA, .peer), (.peer, .wholeSA): false
        case (.peer, .child), (.child, .peer), (.nothing, _), (_, .nothing): false
        }
    }
}
