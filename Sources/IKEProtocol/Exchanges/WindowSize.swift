internal import IKEMessages
internal import IPsecPrimitives

/// SET_WINDOW_SIZE (RFC 7296 §2.3).
extension IKEEngine {
    /// The notification, in the first message of an SA that can carry it.
    ///
    /// RFC 7296 §2.3: "The window size is always one until the initial exchanges complete"; from
    /// then on this end keeps the promise. A rekeyed IKE SA "starts with window size 1" again, so
    /// its first message carries a promise of its own.
    func windowAnnouncement(_ type: ExchangeType, of sa: IKESA) -> Payload? {
        guard !sa.responses.isAnnounced else { return nil }
        let window = sa.connection.windowSize
        guard window > 1 else { return nil }
        switch (sa.state, type) {
        case (.authenticating, .ikeAuth), (.established, .ikeAuth),
            (.established, .createChildSA), (.established, .informational):
            break
        default: return nil
        }
        sa.responses.isAnnounced = true
        var writer = ByteWriter(reserving: 4)
        writer.write(window)
        return .notify(NotifyPayload(.setWindowSize, data: writer.bytes))
    }

    /// Takes in what the peer promises, once it has proven who it is.
    func respectWindow(_ content: MessageContent, of sa: IKESA) {
        guard sa.established != nil, let notify = content.notify(.setWindowSize),
            notify.data.count == 4
        else { return }
        sa.requests.widen(to: notify.data.reduce(0) { $0 << 8 | UInt32($1) })
    }

    /// Keeps answers as long as a peer might ask for them again. RFC 7296 §2.1: a responder may
    /// forget one "after a timeout of several minutes"; the peer's schedule need not be ours, and
    /// without its answer it asks for nothing else.
    func rememberAnswers(of sa: IKESA, at now: Instant) {
        guard sa.timers[.answerMemory] == nil else { return }
        arm(.answerMemory, of: sa, at: now + answerMemory(of: sa))
    }

    func forgetAnswers(of sa: IKESA, at now: Instant) {
        let memory = answerMemory(of: sa)
        guard let next = sa.responses.forgetAnswers(olderThan: memory, at: now) else { return }
        arm(.answerMemory, of: sa, at: next)
    }

    private func answerMemory(of sa: IKESA) -> Duration {
        max(sa.connection.retransmission.patience, .seconds(300))
    }
}

extension IKEConnection {
    var windowSize: UInt32 { UInt32(max(1, min(self.window, Int(MessageWindow.limit)))) }
}
