internal import Configuration
internal import IKEProtocol
internal import IPsecPrimitives

// New keys because somebody asks for them.
extension ConnectionController {
    func rekey(
        _ token: RequestToken,
        _ connection: String,
        _ what: KeySubject,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        if let record = connections[connection], record.configuration.isManual {
            return effects.append(.requestEnded(token, .failed(.manual(record.configuration))))
        }
        switch what {
        case .ikeSA: rekeyIKESA(token, connection, at: now, into: &effects)
        case .childSAs(let tunnel):
            rekeyChildren(token, connection, tunnel, at: now, into: &effects)
        }
    }

    private func rekeyChildren(
        _ token: RequestToken,
        _ connection: String,
        _ tunnel: String?,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        let children = engine.replaceableChildren(of: connection, child: tunnel)
        guard !children.isEmpty, !isShuttingDown else {
            let name = tunnel.map { "\(connection)/\($0)" } ?? connection
            return effects.append(.requestEnded(token, .failed(.nothingToRekey(name))))
        }
        rekeys.add(token, .children(Set(children)), of: connection, tunnel)
        for spi in children {
            absorb(
                engine.handle(.childLifetimeReached(inboundSPI: spi, limit: .soft), at: now),
                at: now,
                into: &effects
            )
        }
    }

    private func rekeyIKESA(
        _ token: RequestToken,
        _ connection: String,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        let spis = engine.replaceableIKESAs(of: connection)
        guard !spis.isEmpty, !isShuttingDown else {
            return effects.append(.requestEnded(token, .failed(.nothingToRekey(connection))))
        }
        rekeys.add(token, .ikeSAs(Set(spis)), of: connection, nil)
        absorb(
            engine.handle(.rekeyIKESA(connection: connection), at: now),
            at: now,
            into: &effects
        )
    }

    /// What a report means for those who wait for new keys.
    func settleRekeys(_ report: IKEReport, into effects: inout [ControlEffect]) {
        guard let connection = report.connection else { return }
        let ended: PendingRekeys.Ended
        switch report.event {
        case .childSARekeyed(_, let replaced): ended = rekeys.childReplaced(replaced)
        case .ikeSARekeyed(_, let replaced): ended = rekeys.ikeSAReplaced(replaced)
        case .initiationFailed(let failure):
            ended = rekeys.failed(connection, report.child, failure)
        case .ikeSAClosed(let reason):
            let left = engine.replaceableIKESAs(of: connection)
            // Another one has come in its place, made from scratch.
            ended =
                reason == .superseded && !left.isEmpty
                ? rekeys.ikeSAsReplaced(of: connection, but: left)
                : rekeys.ikeSAsEnded(of: connection, but: left, .endedBeforeRekey(connection))
        default: return
        }
        for (token, outcome) in ended { effects.append(.requestEnded(token, outcome)) }
    }

    /// A pair of SAs has gone. Where the tunnel has another by now, it was replaced from scratch.
    func settleRekeys(ofRemoved pair: ChildSAPair, into effects: inout [ControlEffect]) {
        let ended =
            tunnels[pair.tunnel]?.isUp == true
            ? rekeys.childReplaced(pair.inboundSPI)
            : rekeys.childEnded(pair.inboundSPI, .endedBeforeRekey("\(pair.tunnel)"))
        for (token, outcome) in ended { effects.append(.requestEnded(token, outcome)) }
    }
}

extension NegotiationFailure {
    fileprivate static func nothingToRekey(_ name: String) -> NegotiationFailure {
        NegotiationFailure(
            subject: .connection,
            explanation: "\(name) is not up: there are no keys to replace",
            remedy: "bring it up with: cygnet up \(name)"
        )
    }

    fileprivate static func manual(_ connection: ConnectionConfiguration) -> NegotiationFailure {
        NegotiationFailure(
            subject: .connection,
            explanation: "the keys of \(connection.name) are manual: nobody negotiates others",
            source: connection.keying.location.description,
            remedy: "write new keys and SPIs at both ends, and reload"
        )
    }

    fileprivate static func endedBeforeRekey(_ name: String) -> NegotiationFailure {
        NegotiationFailure(
            subject: .connection,
            explanation: "\(name) ended before its keys were replaced",
            remedy: "look in the log for what ended it"
        )
    }
}
