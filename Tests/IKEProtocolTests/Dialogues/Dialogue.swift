import IKECredentials
import IKEProtocol
import IPsecCrypto
import IPsecPrimitives
import Testing

/// Two engines, a link that carries their datagrams, and a clock that only the test moves.
final class Dialogue {
    let left: Party
    let right: Party
    private(set) var now = Instant(nanoseconds: 1_000_000_000)
    /// What the link makes of a datagram: nothing, itself, several, another.
    var link: (IKEDatagram) -> [IKEDatagram] = { [$0] }
    /// The same, for those who care which end sent it.
    var directedLink: ((IKEDatagram, Bool) -> [IKEDatagram])?
    /// Every datagram that was sent.
    private(set) var sent: [IKEDatagram] = []

    init(
        _ leftSetup: Setup = Setup(),
        _ rightSetup: Setup? = nil,
        settings: EngineSettings = EngineSettings(),
        seed: UInt64 = 7
    ) {
        left = Party("left", "192.0.2.1", settings: settings, seed: seed)
        right = Party("right", "192.0.2.2", settings: settings, seed: seed &+ 1)
        configure(left, leftSetup)
        configure(right, rightSetup ?? leftSetup.mirrored)
    }

    func configure(_ party: Party, _ setup: Setup) {
        party.absorb(
            party.engine.setConnections(
                setup.connections,
                credentials: setup.credentials,
                at: now
            )
        )
    }

    /// As `configure`, for an end that believes whoever has the secret.
    func configureSecretForAnyone(at party: Party, _ setup: Setup) {
        party.absorb(
            party.engine.setConnections(
                setup.connections,
                credentials: setup.credentialsForAnyone,
                at: now
            )
        )
    }

    func handle(_ event: IKEEvent, at party: Party) {
        party.absorb(party.engine.handle(event, at: now))
        for remote in party.takeRouteQuestions() { party.onRoute?(remote) }
    }

    /// The left end begins; everything is delivered.
    func initiate(_ child: String? = "net", packet: PacketSelector? = nil) {
        begin(left, child, packet: packet)
        settle()
    }

    func begin(_ party: Party, _ child: String? = "net", packet: PacketSelector? = nil) {
        handle(
            .initiate(IKEEvent.Initiation(connection: "site", child: child, packet: packet)),
            at: party
        )
    }

    /// Carries datagrams until no more are under way.
    func settle() {
        var rounds = 0
        while !left.outbox.isEmpty || !right.outbox.isEmpty {
            rounds += 1
            guard rounds < 10_000 else {
                Issue.record("the dialogue does not end")
                return
            }
            carry(from: left, to: right)
            carry(from: right, to: left)
        }
    }

    func carry(from sender: Party, to receiver: Party) {
        let datagrams = sender.outbox
        sender.outbox = []
        sent += datagrams
        for datagram in datagrams.flatMap(link) {
            guard let directedLink else {
                deliver(datagram, to: receiver)
                continue
            }
            for carried in directedLink(datagram, sender === left) {
                deliver(carried, to: receiver)
            }
        }
    }

    /// Delivers what one end sent to the other: local and remote change places.
    func deliver(_ datagram: IKEDatagram, to receiver: Party) {
        handle(
            .datagram(
                IKEDatagram(
                    bytes: datagram.bytes,
                    local: datagram.remote,
                    remote: datagram.local,
                    transport: datagram.transport
                )
            ),
            at: receiver
        )
    }

    /// Lets time pass, with every timeout and datagram on the way.
    func advance(by duration: Duration) {
        let end = now + duration
        settle()
        while let due = [left.engine.nextTimeout, right.engine.nextTimeout].compactMap(\.self)
            .min(),
            due <= end
        {
            now = max(now, due)
            handle(.timeout, at: left)
            handle(.timeout, at: right)
            settle()
        }
        now = end
    }

    /// Lets time pass, with every timeout, and carries nothing.
    func pass(_ duration: Duration) {
        let end = now + duration
        while let due = [left.engine.nextTimeout, right.engine.nextTimeout].compactMap(\.self)
            .min(),
            due <= end
        {
            now = max(now, due)
            handle(.timeout, at: left)
            handle(.timeout, at: right)
        }
        now = end
    }

    /// Lets the next timer come due, and carries nothing.
    func tick() {
        guard
            let due = [left.engine.nextTimeout, right.engine.nextTimeout].compactMap(\.self).min()
        else { return }
        now = max(now, due)
        handle(.timeout, at: left)
        handle(.timeout, at: right)
    }

    /// Whether both ends hold the two halves of one pair for `child` and send through it.
    func agree(on child: String = "net") -> Bool {
        guard let left = left.activeChild(child), let right = right.activeChild(child) else {
            return false
        }
        return left.isCounterpart(of: right)
    }
}

extension ChildSAInstallation {
    /// Whether the other end's installation is the other half of this one.
    func isCounterpart(of other: ChildSAInstallation) -> Bool {
        inboundSPI == other.outboundSPI && outboundSPI == other.inboundSPI
            && inboundKeys.encryption.isEqual(to: other.outboundKeys.encryption)
            && outboundKeys.encryption.isEqual(to: other.inboundKeys.encryption)
            && inboundKeys.integrity.isEqual(to: other.outboundKeys.integrity)
            && outboundKeys.integrity.isEqual(to: other.inboundKeys.integrity)
            && encryption == other.encryption && integrity == other.integrity
            && isExtendedSequence == other.isExtendedSequence
            && localSelectors == other.remoteSelectors && remoteSelectors == other.localSelectors
            && path.isEncapsulated == other.path.isEncapsulated
    }
}
