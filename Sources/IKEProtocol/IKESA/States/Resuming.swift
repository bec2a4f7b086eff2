/// The initiator waits for the answer to IKE_SESSION_RESUME (RFC 5723 §4.3.2).
struct Resuming {
    let ticket: SessionTicket
    let nonce: [UInt8]
    /// What the peer demanded to hear back (RFC 7296 §2.6).
    var cookie: [UInt8]?
    /// The request as it is on the wire, which AUTH will cover.
    var request: [UInt8] = []
    /// What this end wants, the child of IKE_AUTH first.
    var wanted: [IKEEvent.Initiation]
    /// How often the peer sent us back to the beginning with a COOKIE.
    var restarts = 0
}
