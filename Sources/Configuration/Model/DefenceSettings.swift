/// What the gateway does against floods of first requests (`gateway:` → `defence:`, RFC 8019).
package struct DefenceSettings: Equatable, Sendable {
    /// Half-open IKE SAs of one IPv4 address or IPv6 network of 64 bits at most.
    package var halfOpenPerAddress = 64
    /// Half-open IKE SAs of one IPv4 network of 24 bits or IPv6 network of 48 bits at most.
    package var halfOpenPerNetwork = 512
    /// Zero bits of the puzzles that initiators have to solve; nil: none are given.
    package var puzzleDifficulty: Int? = 16
    /// Zero bits up to which the gateway solves puzzles itself.
    package var puzzleLimit = 20

    package init() {}
}
