/// Why the engine dropped a datagram.
package enum MessageDropReason: String, CaseIterable, Hashable, Sendable {
    case malformed
    case oversized
    case unknownSPI
    case unsupportedVersion
    case unexpectedMessageID
    case unauthentic
    case unexpectedExchange
    case unexpectedSource
    case noConnection
    case cookieRequired
    case puzzleRequired
    case halfOpenLimit
    case unprotected
    case repeatedResponse
    case repeatedFragment
    case unexpectedFragment
    case reassemblyLimit
}

/// Counts since the engine began.
package struct EngineCounters: Hashable, Sendable {
    package internal(set) var received: UInt64 = 0
    package internal(set) var sent: UInt64 = 0
    package internal(set) var retransmitted: UInt64 = 0
    package internal(set) var answeredAgain: UInt64 = 0
    /// Cookies and puzzles that others were asked for, and what came back right.
    package internal(set) var cookiesGiven: UInt64 = 0
    package internal(set) var cookiesReturned: UInt64 = 0
    package internal(set) var puzzlesGiven: UInt64 = 0
    package internal(set) var puzzlesSolved: UInt64 = 0
    /// Cookies that others asked this end for, and puzzles that it solved for them.
    package internal(set) var cookiesShown: UInt64 = 0
    package internal(set) var puzzlesWorkedOut: UInt64 = 0
    package internal(set) var dropped: [MessageDropReason: UInt64] = [:]

    package init() {}

    package func dropped(_ reason: MessageDropReason) -> UInt64 { dropped[reason] ?? 0 }

    mutating func drop(_ reason: MessageDropReason) { dropped[reason, default: 0] += 1 }
}
