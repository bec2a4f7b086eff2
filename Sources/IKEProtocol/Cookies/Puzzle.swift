internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// Work that an initiator has to show before a busy responder serves it (RFC 8019 §7).
///
/// Find four different keys such that prf(key, text) ends in so many zero bits; in IKE_SA_INIT the
/// text is the cookie (RFC 8019 §7.1.3), in IKE_AUTH it is Nr | SPIr (§7.2.3).
struct Puzzle: Hashable {
    let function: PseudorandomFunction
    /// Zero bits wanted; 0: as many as the initiator likes to find.
    let difficulty: UInt8

    init(function: PseudorandomFunction, difficulty: UInt8) {
        self.function = function
        self.difficulty = difficulty
    }

    /// Nil when it is none, or of a function that we do not have.
    init?(_ notify: NotifyPayload) {
        guard notify.type == .puzzle, notify.data.count == 3 else { return nil }
        function = PseudorandomFunction(
            rawValue: UInt16(notify.data[0]) << 8 | UInt16(notify.data[1])
        )
        difficulty = notify.data[2]
        guard PRF(function) != nil else { return nil }
    }

    var notify: NotifyPayload {
        NotifyPayload(
            .puzzle,
            data: [
                UInt8(function.rawValue >> 8), UInt8(function.rawValue & 255), difficulty,
            ]
        )
    }

    /// What a puzzle for IKE_AUTH is about: Nr | SPIr (RFC 8019 §7.2.3).
    static func authText(nonce: [UInt8], responderSPI: IKESPI) -> [UInt8] {
        nonce + responderSPI.bytes
    }

    /// Whether four different keys of one length give results with enough zero bits
    /// (RFC 8019 §7.1.4: "MUST check all of the four returned keys").
    func isSolved(by solution: PuzzleSolutionPayload, over text: [UInt8]) -> Bool {
        guard let prf = PRF(function), let keys = solution.keys,
            let octets = keys.first?.count, (1...prf.outputLength).contains(octets)
        else { return false }
        for (index, key) in keys.enumerated() {
            guard !keys[..<index].contains(key),
                Puzzle.zeroBits(prf, key: key, text) >= Int(difficulty)
            else { return false }
        }
        return true
    }

    /// Zero bits at the end of prf(key, text).
    static func zeroBits(_ prf: PRF, key: [UInt8], _ text: [UInt8]) -> Int {
        let result = prf.compute(key: SecretBytes(key), text).copy()
        var bits = 0
        for octet in result.reversed() {
            bits += min(octet.trailingZeroBitCount, 8)
            if octet != 0 { break }
        }
        return bits
    }
}

/// The search for a puzzle's solution, in slices, so that an engine with other peers stalls for
/// none of them.
struct PuzzleSearch {
    let puzzle: Puzzle
    let text: [UInt8]
    /// Zero bits that are looked for.
    let bits: Int
    private let prf: PRF
    private var candidate: UInt32 = 0
    private var found: [UInt32] = []

    /// Zero bits where the responder leaves the choice to us (RFC 8019 §7.1.1.1).
    private static let ownChoice: UInt8 = 15

    /// Nil for a function that we do not have, or more bits than `limit`.
    init?(_ puzzle: Puzzle, over text: [UInt8], limit: UInt8) {
        guard let prf = PRF(puzzle.function) else { return nil }
        let wanted =
            puzzle.difficulty == 0 ? min(PuzzleSearch.ownChoice, limit) : puzzle.difficulty
        guard wanted <= limit, wanted <= 32 else { return nil }
        self.puzzle = puzzle
        self.text = text
        self.prf = prf
        bits = Int(wanted)
    }

    enum Progress: Equatable {
        case searching
        case solved(PuzzleSolutionPayload)
        /// Every key of four octets has been tried.
        case exhausted
    }

    /// Tries so many more keys.
    mutating func advance(tries: Int) -> Progress {
        for _ in 0..<tries {
            let key = candidate.bytes
            if Puzzle.zeroBits(prf, key: key, text) >= bits { found.append(candidate) }
            if found.count == PuzzleSolutionPayload.keyCount,
                let solution = PuzzleSolutionPayload(data: found.flatMap(\.bytes))
            {
                return .solved(solution)
            }
            guard candidate < .max else { return .exhausted }
            candidate += 1
        }
        return .searching
    }
}

extension UInt32 {
    fileprivate var bytes: [UInt8] {
        [UInt8(self >> 24), UInt8(self >> 16 & 255), UInt8(self >> 8 & 255), UInt8(self & 255)]
    }
}
