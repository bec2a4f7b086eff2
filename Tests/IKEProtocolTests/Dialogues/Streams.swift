import IKEProtocol
import IPsecPrimitives
import Testing

/// TCP between the two ends of a dialogue, and a network that may pass no UDP.
final class Streams {
    private unowned let dialogue: Dialogue
    /// Connections that are open, as the end that opened them sees them.
    private(set) var open: [StreamEnds] = []
    private(set) var opened = 0
    var passesUDP = true
    var passesTCP = true
    private var nextPort: UInt16 = 40_000
    /// Where the left end is found now.
    var leftAddress = IPAddress("192.0.2.1")!

    init(_ dialogue: Dialogue) {
        self.dialogue = dialogue
        dialogue.link = { [unowned self] datagram in
            guard datagram.transport == .tcp else { return passesUDP ? [datagram] : [] }
            let isOpen = open.contains {
                $0 == StreamEnds(local: datagram.local, remote: datagram.remote)
                    || $0 == StreamEnds(local: datagram.remote, remote: datagram.local)
            }
            return isOpen ? [datagram] : []
        }
    }

    /// Opens and closes what the ends want, and carries what they send, until nothing is left.
    func settle() {
        repeat {
            dialogue.settle()
            closeWanted()
            openWanted()
        } while !dialogue.left.outbox.isEmpty || !dialogue.right.outbox.isEmpty
            || !dialogue.left.openings.isEmpty || !dialogue.left.closings.isEmpty
    }

    private func closeWanted() {
        for party in [dialogue.left, dialogue.right] {
            for ends in party.takeClosings() {
                let other = StreamEnds(local: ends.remote, remote: ends.local)
                open.removeAll { $0 == ends || $0 == other }
                let peer = party === dialogue.left ? dialogue.right : dialogue.left
                dialogue.handle(.streamClosed(local: ends.remote, remote: ends.local), at: peer)
            }
        }
    }

    private func openWanted() {
        #expect(dialogue.right.openings.isEmpty, "the end that answers opens no connection")
        for opening in dialogue.left.takeOpenings() {
            guard passesTCP else {
                dialogue.handle(.streamFailed(opening.attempt, "refused"), at: dialogue.left)
                continue
            }
            nextPort += 1
            opened += 1
            let ends = StreamEnds(
                local: Endpoint(address: leftAddress, port: nextPort),
                remote: opening.remote
            )
            open.append(ends)
            dialogue.handle(
                .streamOpened(opening.attempt, local: ends.local, remote: ends.remote),
                at: dialogue.left
            )
        }
    }

    /// Both ends see every connection end.
    func breakAll() {
        for ends in open {
            open.removeAll { $0 == ends }
            dialogue.handle(
                .streamClosed(local: ends.remote, remote: ends.local),
                at: dialogue.right
            )
            dialogue.handle(
                .streamClosed(local: ends.local, remote: ends.remote),
                at: dialogue.left
            )
        }
    }

    /// Lets time pass, with every timeout, connection and datagram on the way.
    func advance(by duration: Duration) {
        let end = dialogue.now + duration
        settle()
        while let due = [dialogue.left.engine.nextTimeout, dialogue.right.engine.nextTimeout]
            .compactMap(\.self).min(), due <= end
        {
            dialogue.tick()
            settle()
        }
        dialogue.pass(max(.zero, end - dialogue.now))
    }
}
