internal import IKEMessages
internal import IPsecPrimitives

/// The initiator's work on a puzzle (RFC 8019 §7.1.2), a slice at a time.
extension IKEEngine {
    /// Keys that are tried in one slice: a millisecond or two.
    private static let triesPerSlice = 1000
    /// Between two slices, for everybody else.
    private static let pause: Duration = .milliseconds(1)

    /// A COOKIE with a PUZZLE.
    func receivePuzzle(
        _ notify: NotifyPayload,
        _ cookie: [UInt8],
        _ sa: IKESA,
        _ initiating: Initiating,
        at now: Instant
    ) {
        var state = initiating
        state.solution = nil
        state.search = Puzzle(notify).flatMap {
            PuzzleSearch($0, over: cookie, limit: settings.puzzleLimit)
        }
        guard let search = state.search else {
            // RFC 8019 §7.1.2: the request is repeated with the cookie alone, and may be served by
            // lot.
            report(.puzzleDeclined(PuzzleRefusal.tooHard(notify, settings, sa.connection)), of: sa)
            return sendFirstRequest(sa, state, at: now)
        }
        report(.puzzleDemandedByPeer(difficulty: search.bits), of: sa)
        sa.state = .initiating(state)
        disarm(.retransmission(0), of: sa)
        arm(.puzzle, of: sa, at: now)
    }

    func workOnPuzzle(of sa: IKESA, at now: Instant) {
        guard case .initiating(var state) = sa.state, var search = state.search else { return }
        switch search.advance(tries: IKEEngine.triesPerSlice) {
        case .searching:
            state.search = search
            sa.state = .initiating(state)
            arm(.puzzle, of: sa, at: now + IKEEngine.pause)
        case .solved(let solution) where state.answer != nil:
            counters.puzzlesWorkedOut += 1
            sa.authSolution = solution
            resume(state, sa, at: now)
        case .solved(let solution):
            counters.puzzlesWorkedOut += 1
            state.search = nil
            state.solution = solution
            sendFirstRequest(sa, state, at: now)
        case .exhausted where state.answer != nil:
            // Not in four octets: the responder waits in vain, and so does this end.
            resume(state, sa, at: now)
        case .exhausted:
            state.search = nil
            sendFirstRequest(sa, state, at: now)
        }
    }

    /// An answer with a puzzle for IKE_AUTH (RFC 8019 §7.2.2: "it MUST solve the puzzle"); the text
    /// is Nr | SPIr (§7.2.3). As that of IKE_SA_INIT, anybody on the way can send one, and it costs
    /// no more than `puzzleLimit` allows.
    func receiveAuthPuzzle(
        _ notify: NotifyPayload,
        _ response: FirstAnswer,
        _ nonce: [UInt8],
        _ sa: IKESA,
        _ initiating: Initiating,
        at now: Instant
    ) {
        var state = initiating
        let text = Puzzle.authText(nonce: nonce, responderSPI: response.header.responderSPI)
        state.search = Puzzle(notify).flatMap {
            PuzzleSearch($0, over: text, limit: settings.puzzleLimit)
        }
        guard let search = state.search else {
            // The responder drops whatever comes without a solution (§7.2.4).
            let failure = PuzzleRefusal.tooHard(notify, settings, sa.connection)
            report(.puzzleDeclined(failure), of: sa)
            return refuse(failure, sa, initiating, at: now)
        }
        report(.puzzleDemandedByPeer(difficulty: search.bits), of: sa)
        state.answer = response
        state.refusal = nil
        sa.state = .initiating(state)
        sa.requests.removeAll()
        disarm(.retransmission(0), of: sa)
        arm(.puzzle, of: sa, at: now)
    }

    /// Goes on with the answer whose puzzle was worked on.
    private func resume(_ solved: Initiating, _ sa: IKESA, at now: Instant) {
        guard let answer = solved.answer else { return }
        var state = solved
        state.search = nil
        state.answer = nil
        sa.state = .initiating(state)
        guard sa.authSolution != nil else {
            return fail(sa, PuzzleRefusal.unsolvable(sa.connection), at: now)
        }
        receiveFirstAnswer(answer, sa, state, at: now)
    }
}

private enum PuzzleRefusal {
    static func unsolvable(_ connection: IKEConnection) -> NegotiationFailure {
        NegotiationFailure(
            subject: .resources,
            explanation:
                "The peer is under attack and asks for a puzzle that no key of four octets "
                + "solves.",
            source: connection.source,
            remedy: "Try again: another IKE SA has another puzzle."
        )
    }

    static func tooHard(
        _ notify: NotifyPayload,
        _ settings: EngineSettings,
        _ connection: IKEConnection
    ) -> NegotiationFailure {
        let difficulty = notify.data.count == 3 ? "\(notify.data[2]) bits" : "an unreadable size"
        return NegotiationFailure(
            subject: .resources,
            explanation: "The peer is under attack and asks for a puzzle of \(difficulty) to be "
                + "solved; this end solves up to \(settings.puzzleLimit) bits.",
            source: connection.source,
            remedy: "Raise puzzle-limit in gateway, or wait: the peer serves some who solve none."
        )
    }
}
