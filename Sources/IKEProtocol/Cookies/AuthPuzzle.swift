internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// Puzzles in IKE_AUTH, the responder's side (RFC 8019 §7.2): against initiators that complete
/// IKE_SA_INIT and then send IKE_AUTH messages that are none, each of which costs an attempt to open
/// it.
extension IKEEngine {
    /// Fewer than this are no attack.
    private static let fewest = 8

    /// The puzzle for the first IKE_AUTH request of whoever sent this first request; nil where none
    /// is needed.
    ///
    /// RFC 8019 §7.2.1: never "unless a puzzle has been previously presented and solved in the
    /// preceding IKE_SA_INIT exchange". Nor where IKE_INTERMEDIATE comes before IKE_AUTH, of which
    /// RFC 8019 knows nothing: what is forged arrives there first.
    func authPuzzle(
        _ content: MessageContent,
        _ suite: IKESuite,
        hasSolved: Bool
    ) -> Puzzle? {
        guard hasSolved, suite.additionalKeyExchanges.isEmpty,
            let difficulty = settings.puzzleDifficulty,
            // §7.2.1.1: "MUST NOT be 0".
            difficulty > 0, sas.spoiltCount >= IKEEngine.fewest,
            // §7.2: "If the percentage of such states is high".
            sas.spoiltCount * 4 >= sas.halfOpenCount,
            let function = commonFunction(content)
        else { return nil }
        counters.puzzlesGiven += 1
        return Puzzle(function: function, difficulty: difficulty)
    }

    /// Whether a message may be opened: RFC 8019 §7.2.4: the responder "MUST verify the solution
    /// before performing computationally intensive operations". Once solved it serves all that
    /// comes for this SA, also fragments that do not bring it.
    func showsWork(_ message: IKEMessage, _ sa: IKESA) -> Bool {
        // Nearly always there is none, and no need for a copy of the state.
        guard let puzzle = sa.awaitedPuzzle, case .halfOpen(var state) = sa.state else {
            return true
        }
        var solution: PuzzleSolutionPayload?
        for case .puzzleSolution(let payload) in message.payloads { solution = payload }
        let text = Puzzle.authText(
            nonce: state.transcript.responderNonce,
            responderSPI: sa.responderSPI
        )
        guard let solution, puzzle.isSolved(by: solution, over: text) else { return false }
        counters.puzzlesSolved += 1
        state.puzzle = nil
        sa.state = .halfOpen(state)
        return true
    }

    /// A message for a half-open SA that is not authentic.
    func noteForgery(of sa: IKESA) {
        if case .halfOpen(let state) = sa.state { sas.markSpoilt(state.key) }
    }
}
