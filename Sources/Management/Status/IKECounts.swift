/// What the gateway has seen of IKE since it started. What was dropped stands among the drops.
package struct IKECounts: Codable, Equatable, Sendable {
    /// IKE SAs now whose initiator has not proven itself.
    package var halfOpen: Int
    package var messagesReceived: UInt64
    package var messagesSent: UInt64
    /// Requests sent once more for want of an answer.
    package var retransmissions: UInt64
    /// Answers sent once more, because the request came again.
    package var answersRepeated: UInt64
    /// First requests that were asked to bring a cookie (RFC 7296 §2.6), and those that did.
    package var cookiesDemanded: UInt64
    package var cookiesReturned: UInt64
    /// First requests that were asked to solve a puzzle (RFC 8019), and those that did.
    package var puzzlesDemanded: UInt64
    package var puzzlesSolved: UInt64
    /// Cookies that peers asked this gateway for, and puzzles that it solved for them.
    package var cookiesShown: UInt64
    package var puzzlesWorkedOut: UInt64

    package init(
        halfOpen: Int = 0,
        messagesReceived: UInt64 = 0,
        messagesSent: UInt64 = 0,
        retransmissions: UInt64 = 0,
        answersRepeated: UInt64 = 0,
        cookiesDemanded: UInt64 = 0,
        cookiesReturned: UInt64 = 0,
        puzzlesDemanded: UInt64 = 0,
        puzzlesSolved: UInt64 = 0,
        cookiesShown: UInt64 = 0,
        puzzlesWorkedOut: UInt64 = 0
    ) {
        self.halfOpen = halfOpen
        self.messagesReceived = messagesReceived
        self.messagesSent = messagesSent
        self.retransmissions = retransmissions
        self.answersRepeated = answersRepeated
        self.cookiesDemanded = cookiesDemanded
        self.cookiesReturned = cookiesReturned
        self.puzzlesDemanded = puzzlesDemanded
        self.puzzlesSolved = puzzlesSolved
        self.cookiesShown = cookiesShown
        self.puzzlesWorkedOut = puzzlesWorkedOut
    }
}
