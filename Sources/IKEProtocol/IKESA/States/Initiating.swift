internal import IKEMessages
internal import IPsecPrimitives

/// The initiator waits for the answer to its first request.
struct Initiating {
    var keys: FirstKeys
    let nonce: [UInt8]
    /// In the place of the hash of our address, where UDP is forced. The same in each version of the
    /// request, for RFC 7296 §2.6 has "all other payloads unchanged" beside a COOKIE.
    var forgedNATHash: [UInt8]?
    /// What the peer demanded to hear back (RFC 7296 §2.6).
    var cookie: [UInt8]?
    /// The puzzle that came with it, while it is not solved (RFC 8019 §7.1.2).
    var search: PuzzleSearch?
    var solution: PuzzleSolutionPayload?
    /// The answer that goes on once `search` is over: it came with a puzzle for IKE_AUTH
    /// (RFC 8019 §7.2.1).
    var answer: FirstAnswer?
    /// The request as it is on the wire, which AUTH will cover.
    var request: [UInt8] = []
    /// What this end wants, the child of IKE_AUTH first.
    var wanted: [IKEEvent.Initiation]
    /// How often the peer sent us back to the beginning, with a COOKIE or another method.
    var restarts = 0
    /// An error that nobody vouches for: believed when no better answer comes (RFC 7296 §2.21.1).
    var refusal: NegotiationFailure?
}

/// The peer's answer to a first request.
struct FirstAnswer {
    let content: MessageContent
    let datagram: IKEDatagram
    let header: MessageHeader
}
