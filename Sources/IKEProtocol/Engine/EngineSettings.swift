/// Limits and times that hold for the whole engine. The defaults are good ones.
package struct EngineSettings: Hashable, Sendable {
    package var ikePort: UInt16 = 500
    package var natTraversalPort: UInt16 = 4500
    /// Half-open SAs from which on a COOKIE is demanded (RFC 7296 §2.6).
    package var cookieThreshold = 32
    /// Half-open SAs that are kept at most; further requests are dropped.
    package var halfOpenLimit = 4096
    /// Half-open SAs of one remote IPv4 address or IPv6 network of 64 bits.
    package var halfOpenLimitPerAddress = 64
    /// Half-open SAs of one remote IPv4 network of 24 bits or IPv6 network of 48 bits.
    package var halfOpenLimitPerNetwork = 512
    /// Half-open SAs of one address from which on it has to show a COOKIE.
    package var cookieThresholdPerAddress = 16
    /// Half-open SAs of one address from which on it has to solve puzzles.
    package var puzzleThresholdPerAddress = 32
    /// Zero bits of the puzzles that initiators have to solve when half of the half-open SAs are
    /// taken, in all or by one address (RFC 8019 §7.1.1.1); nil: none are given.
    package var puzzleDifficulty: UInt8? = 16
    /// Zero bits up to which this end solves puzzles (RFC 8019 §9); 0: it solves none.
    package var puzzleLimit: UInt8 = 20
    /// How long a half-open SA waits for IKE_AUTH.
    package var halfOpenTimeout: Duration = .seconds(30)
    /// How long the inbound half of a replaced SA is kept after its Delete.
    package var replacedSALinger: Duration = .seconds(5)
    /// Answers a second outside any SA (INVALID_IKE_SPI, INVALID_MAJOR_VERSION).
    package var unprotectedAnswersPerSecond = 10
    /// How long the next of several additional key exchanges may take to come (RFC 9370 §2.2.4:
    /// "5-20 seconds of waiting time should be appropriate in most cases").
    package var followUpTimeout: Duration = .seconds(20)
    /// How long fragments wait for the rest of their message (RFC 7383 §2.6).
    package var reassemblyTimeout: Duration = .seconds(30)
    /// Octets that all messages together may hold of which fragments are missing.
    package var reassemblyOctetLimit = 16 << 20
    /// IKE SAs of one peer, by its identity.
    package var ikeSALimitPerPeer = 64
    /// Child SAs of one IKE SA.
    package var childLimit = 256
    /// Lets `IKEEngine.exposedKeys` hand out keys, for decoding captures.
    package var exposesKeys = false

    package init() {}
}
