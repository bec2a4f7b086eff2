internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// What an exchange of the peer's will make, once its additional key exchanges are over.
struct AwaitedFollowUp {
    enum Purpose {
        case child(ChildSA, ChildNonces, SecretBytes?, replacing: SPI?)
        case ikeSA(PeerIKERekey)
    }

    var purpose: Purpose
    /// By which the next request names it.
    let link: [UInt8]
    let remaining: ArraySlice<KeyExchangeMethod>
    let secrets: [SecretBytes]
    let deadline: Instant

    func replaces(_ spi: SPI) -> Bool {
        if case .child(_, _, _, replacing: spi) = purpose { true } else { false }
    }
}

/// A CREATE_CHILD_SA exchange of the peer's that replaces the IKE SA, as far as it has come.
struct PeerIKERekey {
    let suite: IKESuite
    let localSPI: IKESPI
    let peerSPI: IKESPI
    let nonces: ChildNonces
    let secret: SecretBytes
}

/// IKE_FOLLOWUP_KE, the responder's side (RFC 9370 §2.2.4).
extension IKEEngine {
    /// Series of one IKE SA that may be unfinished at once.
    var followUpLimit: Int { 8 }

    /// The peer has our answer to its offer of a child, and goes on with the notification.
    func awaitFollowUps(
        of answer: ChildAnswer,
        _ nonces: ChildNonces,
        replacing old: ChildSA?,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) -> NotifyPayload {
        let child = answer.child.child
        return expect(
            .child(child, nonces, answer.secret, replacing: old?.inboundSPI),
            child.suite.additionalKeyExchanges[...],
            [],
            sa,
            state,
            at: now
        )
    }

    func awaitFollowUps(
        of rekey: PeerIKERekey,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) -> NotifyPayload {
        let methods = rekey.suite.additionalKeyExchanges[...]
        return expect(.ikeSA(rekey), methods, [], sa, state, at: now)
    }

    private func expect(
        _ purpose: AwaitedFollowUp.Purpose,
        _ methods: ArraySlice<KeyExchangeMethod>,
        _ secrets: [SecretBytes],
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) -> NotifyPayload {
        let link = random.bytes(8)
        let deadline = now + settings.followUpTimeout
        state.followUps.append(
            AwaitedFollowUp(
                purpose: purpose,
                link: link,
                remaining: methods,
                secrets: secrets,
                deadline: deadline
            )
        )
        if sa.timers[.followUps] == nil { arm(.followUps, of: sa, at: deadline) }
        return NotifyPayload(.additionalKeyExchange, data: link)
    }

    func receiveFollowUpRequest(
        _ request: Request,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        let link = request.content.notify(.additionalKeyExchange)?.data
        guard !state.isReplaced,
            let index = state.followUps.firstIndex(where: { $0.link == link && $0.deadline > now })
        else {
            // "it MUST send back a new error type notification STATE_NOT_FOUND".
            return respond(to: request, of: sa, [.notify(NotifyPayload(.stateNotFound))])
        }
        let awaited = state.followUps.remove(at: index)
        guard let method = awaited.remaining.first, let theirs = request.content.keyExchange,
            theirs.method == method, let answer = try? freshAnswer(method, to: theirs.data)
        else {
            release(awaited)
            report(.refused(FollowUpFailure.wrongValue(sa.connection)), of: sa)
            return refuseSyntax(of: request, sa, "lacks a right key exchange value", at: now)
        }
        var payloads: [Payload] = [
            .keyExchange(KeyExchangePayload(method: method, data: answer.publicValue))
        ]
        let remaining = awaited.remaining.dropFirst()
        let secrets = awaited.secrets + [answer.secret]
        guard remaining.isEmpty else {
            let next = expect(awaited.purpose, remaining, secrets, sa, state, at: now)
            payloads.append(.notify(next))
            return respond(to: request, of: sa, payloads)
        }
        finish(awaited.purpose, secrets, payloads, request, sa, state, at: now)
    }

    private func finish(
        _ purpose: AwaitedFollowUp.Purpose,
        _ secrets: [SecretBytes],
        _ payloads: [Payload],
        _ request: Request,
        _ sa: IKESA,
        _ state: Established,
        at now: Instant
    ) {
        switch purpose {
        case .ikeSA(let rekey):
            finish(rekey, additional: secrets, payloads, request, sa, state, at: now)
        case .child(var child, let nonces, let secret, let replaced):
            // The peer may have moved behind a NAT or out of one meanwhile.
            child.isEncapsulated = sa.arePacketsEncapsulated
            let keys = state.childKeys(child.suite, nonces, secret, secrets)
            // What it is to replace may have gone meanwhile.
            let old = replaced.flatMap { state.children[$0] }
            enterChild(
                ChildInstallationPlan(answering: keys, child),
                replacing: old?.stage == .current ? old : nil,
                payloads,
                request,
                sa,
                state,
                at: now
            )
        }
    }

    /// Both ends replace the IKE SA at once, and there is nothing of the peer's yet.
    func noteCrossing(by rekey: PeerIKERekey, of sa: IKESA) {
        sa.requests.change { exchange in
            guard case .rekeyIKESA(var ours) = exchange else { return false }
            ours.crossing = .init(lowestNonce: rekey.nonces.lowest, localSPI: rekey.localSPI)
            exchange = .rekeyIKESA(ours)
            return true
        }
    }

    // MARK: Ends

    func expireFollowUps(of sa: IKESA, at now: Instant) {
        guard let state = sa.established else { return }
        for awaited in state.followUps where awaited.deadline <= now { release(awaited) }
        state.followUps.removeAll { $0.deadline <= now }
        if let next = state.followUps.map(\.deadline).min() { arm(.followUps, of: sa, at: next) }
        // What waited for the end of a series.
        startTasks(of: sa, at: now)
    }

    func releaseFollowUps(of state: Established) {
        for awaited in state.followUps { release(awaited) }
        state.followUps = []
    }

    /// Forgets the series by which the peer wanted to replace `child`.
    func releaseFollowUps(of state: Established, replacing child: SPI) {
        for awaited in state.followUps where awaited.replaces(child) { release(awaited) }
        state.followUps.removeAll { $0.replaces(child) }
    }

    /// Forgets the series by which the peer wanted to replace children of a tunnel that is closed.
    func releaseFollowUps(of state: Established, makingChildrenOf policy: String) {
        func isOfPolicy(_ awaited: AwaitedFollowUp) -> Bool {
            if case .child(let child, _, _, replacing: .some) = awaited.purpose {
                child.policy.name == policy
            } else {
                false
            }
        }
        for awaited in state.followUps where isOfPolicy(awaited) { release(awaited) }
        state.followUps.removeAll(where: isOfPolicy)
    }

    func release(_ awaited: AwaitedFollowUp) {
        guard case .child(let child, _, _, _) = awaited.purpose else { return }
        sas.releaseChild(child.inboundSPI)
    }
}

extension Established {
    /// Whether the peer is about to replace the IKE SA, and further exchanges of its are to come.
    var awaitsIKERekey: Bool {
        followUps.contains { if case .ikeSA = $0.purpose { true } else { false } }
    }

    /// Whether the peer is about to do what a task is for, and further exchanges of its are to come.
    /// It may not have our answer yet, and would not see that the two cross.
    func awaitsRekey(insteadOf task: IKETask) -> Bool {
        guard case .rekeyChild(let spi) = task else { return false }
        return followUps.contains { $0.replaces(spi) }
    }
}

enum FollowUpFailure {
    static func wrongValue(_ connection: IKEConnection) -> NegotiationFailure {
        NegotiationFailure(
            subject: .keyExchange,
            explanation: "The peer's IKE_FOLLOWUP_KE lacks a right value for the key exchange that "
                + "was agreed.",
            source: connection.source,
            remedy: "The peer errs; proposals without ke1_… avoid it."
        )
    }
}
