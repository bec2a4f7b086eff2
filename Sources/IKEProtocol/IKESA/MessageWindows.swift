internal import IPsecPrimitives

/// Our requests: one at a time, each sent until it is answered (RFC 7296 §2.1 to §2.3).
struct RequestWindow {
    struct Outstanding {
        let messageID: UInt32
        var exchange: IKEExchange
        var bytes: [UInt8]
        /// Sendings so far.
        var attempts = 1
    }

    var nextMessageID: UInt32 = 0
    var outstanding: Outstanding?
}

/// The peer's requests: the next one wanted, and the last one with its answer, which is given
/// again, octet for octet, when the request comes again (RFC 7296 §2.1).
struct ResponseWindow {
    var nextMessageID: UInt32 = 0
    private(set) var lastRequest: [UInt8] = []
    private(set) var lastResponse: [UInt8]?

    mutating func answered(_ request: [UInt8], with response: [UInt8]) {
        lastRequest = request
        lastResponse = response
        nextMessageID &+= 1
    }

    /// The answer to a request that has been answered before.
    func repeatedAnswer(to request: [UInt8]) -> [UInt8]? {
        request == lastRequest ? lastResponse : nil
    }
}
