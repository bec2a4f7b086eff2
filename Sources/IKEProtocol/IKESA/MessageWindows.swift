internal import IPsecPrimitives

/// Limits of both windows (RFC 7296 §2.3).
enum MessageWindow {
    /// The most that this implementation promises, and the most of its own requests that it has
    /// under way at once, whatever the peer allows.
    static let limit: UInt32 = 64
}

/// Our requests: each is sent until it is answered, and as many at once as the peer allows
/// (RFC 7296 §2.1 to §2.3).
struct RequestWindow {
    struct Outstanding {
        let messageID: UInt32
        var exchange: IKEExchange
        var message: SentMessage
        /// Sendings so far, in fragments of this size.
        var attempts = 1
        /// Has its message ID, and has not left: the window has no room for it yet.
        var isHeld = false
    }

    var nextMessageID: UInt32 = 0
    /// How many the peer keeps state for; one until it says more.
    private(set) var size: UInt32 = 1
    /// By message ID. Empty, and without memory of its own, whenever nothing is under way.
    private(set) var outstanding: [Outstanding] = []
    /// Whether a request was given up that the peer may never have had: it waits for that number, and
    /// takes no other.
    private(set) var isStuck = false

    var isEmpty: Bool { outstanding.isEmpty }

    /// Whether another request may leave. RFC 7296 §2.3: for "a request X, it MUST wait until it
    /// has received responses to all requests up through request X-N".
    var isOpen: Bool {
        if isStuck { return false }
        guard let oldest = outstanding.first else { return true }
        return nextMessageID &- oldest.messageID < size
    }

    /// RFC 7296 §2.3: "you can only increase it".
    mutating func widen(to size: UInt32) {
        self.size = max(self.size, min(size, MessageWindow.limit))
    }

    /// Takes a message ID for a request. It leaves now, or is held: what goes on with an exchange
    /// must not wait behind other tasks, and an older request may hold the window back.
    mutating func add(_ exchange: IKEExchange, _ message: SentMessage) -> Outstanding {
        var request = Outstanding(
            messageID: nextMessageID,
            exchange: exchange,
            message: message
        )
        // What waits already goes first: a peer may hold what it gets before it is due for a fault.
        request.isHeld = !isOpen || outstanding.contains(where: \.isHeld)
        outstanding.append(request)
        nextMessageID &+= 1
        return request
    }

    /// The oldest request that was held and may leave now.
    mutating func release() -> Outstanding? {
        guard let oldest = outstanding.first,
            let index = outstanding.firstIndex(where: \.isHeld),
            outstanding[index].messageID &- oldest.messageID < size
        else { return nil }
        outstanding[index].isHeld = false
        return outstanding[index]
    }

    subscript(messageID: UInt32) -> Outstanding? {
        outstanding.first { $0.messageID == messageID }
    }

    /// Whether a response to `messageID` is one to the latest of our requests.
    func isLatest(_ messageID: UInt32) -> Bool { nextMessageID &- 1 == messageID }

    @discardableResult
    mutating func remove(_ messageID: UInt32) -> Outstanding? {
        guard let index = outstanding.firstIndex(where: { $0.messageID == messageID }) else {
            return nil
        }
        let found = outstanding.remove(at: index)
        if outstanding.isEmpty { outstanding = [] }
        // The peer waits for each number: one that never left is given to the next request.
        if found.isHeld, isLatest(messageID) { nextMessageID = messageID }
        return found
    }

    mutating func removeAll() { outstanding = [] }

    /// Sends a request no more, although it is not answered.
    mutating func abandon(_ messageID: UInt32) {
        guard let found = remove(messageID) else { return }
        if !found.isHeld { isStuck = true }
    }

    mutating func noteSending(of messageID: UInt32) {
        guard let index = outstanding.firstIndex(where: { $0.messageID == messageID }) else {
            return
        }
        outstanding[index].attempts += 1
    }

    /// The same request in smaller fragments, which is tried as long as the larger ones would have
    /// been (RFC 7383 §2.5.2).
    mutating func replace(_ messageID: UInt32, with message: SentMessage) {
        guard let index = outstanding.firstIndex(where: { $0.messageID == messageID }) else {
            return
        }
        outstanding[index].message = message
        outstanding[index].attempts = 0
    }

    /// Counts sendings anew, because a request now goes elsewhere.
    mutating func restart(_ messageID: UInt32) {
        guard let index = outstanding.firstIndex(where: { $0.messageID == messageID }) else {
            return
        }
        outstanding[index].attempts = 1
    }

    /// What is not answered goes along another path from now on.
    mutating func noteOtherPath() {
        for index in outstanding.indices {
            switch outstanding[index].exchange {
            case .checkRoutability(var check):
                check.wentElsewhere = true
                outstanding[index].exchange = .checkRoutability(check)
            case .updateAddresses(var update):
                update.wentElsewhere = true
                outstanding[index].exchange = .updateAddresses(update)
            default: break
            }
        }
    }

    /// Lets `body` change what an answer will need; false when it changed nothing.
    @discardableResult
    mutating func change(_ body: (inout IKEExchange) -> Bool) -> Bool {
        for index in outstanding.indices where body(&outstanding[index].exchange) { return true }
        return false
    }

    mutating func change(_ messageID: UInt32, _ body: (inout IKEExchange) -> Void) {
        guard let index = outstanding.firstIndex(where: { $0.messageID == messageID }) else {
            return
        }
        body(&outstanding[index].exchange)
    }

    func contains(where isWanted: (IKEExchange) -> Bool) -> Bool {
        outstanding.contains { isWanted($0.exchange) }
    }
}

/// The peer's requests, in any order within the window that we have promised, and the answers to
/// the last of them, which are given again, octet for octet, when a request comes again
/// (RFC 7296 §2.1, §2.3).
struct ResponseWindow {
    private struct Answer {
        let messageID: UInt32
        let fingerprint: UInt64
        var response: SentMessage
        /// How often it was asked for again, in fragments of this size.
        var repetitions = 0
    }

    /// The lowest message ID without an answer.
    private(set) var nextMessageID: UInt32
    /// How many requests at once the peer may send.
    var size: UInt32 = 1
    /// Whether the peer has been told `size`.
    var isAnnounced = false
    /// Requests above `nextMessageID` that are answered: the lowest bit is for the one after it.
    private var answeredAhead: UInt64 = 0
    private var answers: [Answer] = []
    private var lastAnswerAt: Instant = .origin

    init(nextMessageID: UInt32 = 0) { self.nextMessageID = nextMessageID }

    var hasAnswers: Bool { !answers.isEmpty }

    /// Whether the peer may send a request with this ID, and it has not been answered.
    func admits(_ messageID: UInt32) -> Bool {
        let distance = messageID &- nextMessageID
        guard distance < size else { return false }
        return distance == 0 || answeredAhead >> (distance - 1) & 1 == 0
    }

    /// Whether no later request has been answered: what it tells of the peer's whereabouts counts.
    func isLatest(_ messageID: UInt32) -> Bool {
        messageID &- nextMessageID >= UInt32(64 - answeredAhead.leadingZeroBitCount)
    }

    mutating func answered(
        _ request: [UInt8],
        _ messageID: UInt32,
        with response: SentMessage,
        at now: Instant
    ) {
        guard admits(messageID) else { return }
        lastAnswerAt = now
        let distance = messageID &- nextMessageID
        if distance == 0 {
            nextMessageID &+= 1
            while answeredAhead & 1 == 1 {
                answeredAhead >>= 1
                nextMessageID &+= 1
            }
            // The bits count from the ID after `nextMessageID`, which itself has no answer.
            answeredAhead >>= 1
        } else {
            answeredAhead |= 1 << UInt64(distance - 1)
        }
        // What lies a whole window behind the latest has its answer, or the peer would not have
        // sent the latest (RFC 7296 §2.3).
        let latest = answers.reduce(messageID) { $0 &- $1.messageID < 1 << 31 ? $0 : $1.messageID }
        answers.removeAll { latest &- $0.messageID >= size }
        answers.append(
            Answer(
                messageID: messageID,
                fingerprint: ResponseWindow.fingerprint(request),
                response: response
            )
        )
    }

    /// Whether a request is one that has been answered before, octet for octet.
    func isRepetition(_ request: [UInt8], _ messageID: UInt32) -> Bool {
        answers.contains {
            $0.messageID == messageID && $0.fingerprint == ResponseWindow.fingerprint(request)
        }
    }

    func hasAnswer(to messageID: UInt32) -> Bool {
        answers.contains { $0.messageID == messageID }
    }

    /// The answer to a request that has come again, and how often it has.
    mutating func repeatAnswer(
        to messageID: UInt32
    ) -> (message: SentMessage, repetitions: Int)? {
        guard let index = answers.firstIndex(where: { $0.messageID == messageID }) else {
            return nil
        }
        answers[index].repetitions += 1
        return (answers[index].response, answers[index].repetitions)
    }

    /// The same answer in smaller fragments.
    mutating func replaceAnswer(to messageID: UInt32, with response: SentMessage) {
        guard let index = answers.firstIndex(where: { $0.messageID == messageID }) else { return }
        answers[index].response = response
        answers[index].repetitions = 0
    }

    /// Frees the answers, unless one is younger than `age`; returns when to ask again.
    mutating func forgetAnswers(olderThan age: Duration, at now: Instant) -> Instant? {
        guard now - lastAnswerAt >= age else { return lastAnswerAt + age }
        answers = []
        return nil
    }

    /// Tells a repetition from another message with the same ID. Not a matter of security: whoever
    /// makes another one with the same value gets an answer that was sent before.
    ///
    /// Eight octets at a time: messages with a postquantum key are long.
    private static func fingerprint(_ bytes: [UInt8]) -> UInt64 {
        var value: UInt64 = 0xcbf2_9ce4_8422_2325 ^ UInt64(bytes.count)
        func mix(_ word: UInt64) {
            value = (value ^ word) &* 0x9e37_79b9_7f4a_7c15
            value ^= value >> 32
        }
        var next = bytes.startIndex
        while next + 8 <= bytes.endIndex {
            var word: UInt64 = 0
            for index in next..<next + 8 { word = word << 8 | UInt64(bytes[index]) }
            mix(word)
            next += 8
        }
        var rest: UInt64 = 0
        for index in next..<bytes.endIndex { rest = rest << 8 | UInt64(bytes[index]) }
        mix(rest)
        return value
    }
}
