import IPsecPrimitives
import Testing

@testable import IKEProtocol

/// An order of events and messages between two ends, by name.
///
/// Words of a script: `L.child` has the left end rekey its child, `L.ike` its IKE SA; `L.close`
/// closes the child, `L.end` the connection, `L.more` asks for another child, `L.reauth` has the left
/// end prove identities anew, and `L.start` asks for the tunnel. `L>` delivers the
/// oldest message of the left end that is under way, `L-` loses it, `L=` delivers it and keeps it
/// under way, `L~` lets all others overtake it. `R` likewise. `@` and seconds lets time pass without
/// a delivery.
struct Order: Sendable, CustomTestStringConvertible {
    let name: String
    let script: String
    /// What is there at the end.
    let end: End

    enum End: Sendable {
        case tunnel, tunnels, noChild, nothing
    }

    init(_ name: String, _ script: String, endsWith end: End = .tunnel) {
        self.name = name
        self.script = script
        self.end = end
    }

    var testDescription: String { name }
}

/// Two ends with a tunnel between, whose messages a script carries.
///
/// Whatever the order, each end accepts what the other sends in ESP, at once and a moment later.
final class Crossing {
    let dialogue: Dialogue
    /// Messages under way, the oldest first.
    private var underWay: [[IKEDatagram]] = [[], []]
    private let hasTraffic: Bool
    private let isUp: Bool
    /// An end takes few Child SAs in an IKE SA, so that there may be several IKE SAs.
    private let areFew: Bool
    /// A child or the connection was closed: packets may get lost.
    private var mayLosePackets = false
    private var lastSent: [SPI?] = [nil, nil]
    /// What was played, for a failure of a random order.
    private var played: [String] = []

    /// - Parameter hasTraffic: whether packets flow between any two steps, so that each end sees
    ///   the other use a new SA.
    /// - Parameter limits: Child SAs that each end takes in an IKE SA; nil: many.
    init(seed: UInt64, hasTraffic: Bool, isUp: Bool = true, limits: [Int?] = [nil, nil]) {
        var setup = Setup()
        setup.children["more"] = ("10.3.0.0/16", "10.4.0.0/16")
        setup.livenessInterval = .seconds(200)
        setup.reauthenticateAfter = .seconds(86_400)
        dialogue = Dialogue(setup, seed: seed)
        self.hasTraffic = hasTraffic
        self.isUp = isUp
        mayLosePackets = !isUp
        areFew = limits != [nil, nil]
        if let limit = limits[0] { dialogue.left.engine.settings.childLimit = limit }
        if let limit = limits[1] { dialogue.right.engine.settings.childLimit = limit }
        if isUp { dialogue.initiate() }
    }

    private func party(_ side: Int) -> Party { side == 0 ? dialogue.left : dialogue.right }

    func play(_ script: String, mirrored: Bool = false) throws {
        for word in script.split(separator: " ") {
            try play(word, mirrored)
            checkTraffic()
        }
    }

    private func play(_ word: Substring, _ mirrored: Bool) throws {
        played.append(String(word))
        if word.hasPrefix("@") {
            dialogue.pass(.seconds(Int(word.dropFirst())!))
            return collect()
        }
        let side = (word.first == "L") != mirrored ? 0 : 1
        switch word.dropFirst() {
        case ".child": try rekeyChild(side)
        case ".ike": expire(.rekey, side)
        case ".reauth": expire(.reauthentication, side)
        case ".start": dialogue.begin(party(side))
        case ".close":
            mayLosePackets = true
            dialogue.handle(.terminate(connection: "site", child: "net"), at: party(side))
        case ".end":
            mayLosePackets = true
            dialogue.handle(.terminate(connection: "site", child: nil), at: party(side))
        case ".more": dialogue.begin(party(side), "more")
        case ">": deliver(try #require(takeOldest(side), "\(word): nothing is under way"), by: side)
        case "-": _ = try #require(takeOldest(side), "\(word): nothing is under way")
        case "=":
            let message = try #require(underWay[side].first, "\(word): nothing is under way")
            deliver(message, by: side)
        case "~": underWay[side].append(try #require(takeOldest(side)))
        default: Issue.record("\(word) is no word of a script")
        }
        collect()
    }

    private func rekeyChild(_ side: Int) throws {
        let spi = try #require(party(side).children.last { $0.child == "net" }?.inboundSPI)
        dialogue.handle(.childLifetimeReached(inboundSPI: spi, limit: .soft), at: party(side))
    }

    private func expire(_ timer: SATimer, _ side: Int) {
        let engine = party(side).engine
        for sa in engine.sas.ofConnection("site") where sa.established?.isReplaced == false {
            engine.arm(timer, of: sa, at: dialogue.now)
        }
        dialogue.handle(.timeout, at: party(side))
    }

    private func takeOldest(_ side: Int) -> IKEDatagram? {
        underWay[side].isEmpty ? nil : underWay[side].removeFirst()
    }

    private func deliver(_ message: IKEDatagram, by side: Int) {
        dialogue.deliver(message, to: party(1 - side))
    }

    private func collect() {
        for side in [0, 1] {
            underWay[side] += party(side).outbox
            party(side).outbox = []
        }
    }

    // MARK: Any order

    /// So many random things to what is under way, and whatever the ends begin by themselves.
    func wander(_ steps: Int, with random: inout SeededRandomSource, _ beginnings: [String]) throws
    {
        for _ in 0..<steps {
            let side = Int(random.next32() % 2)
            let end = side == 0 ? "L" : "R"
            let word: String
            switch random.next32() % 16 {
            case 0...7 where !underWay[side].isEmpty: word = end + ">"
            case 8 where !underWay[side].isEmpty: word = end + "-"
            case 9 where !underWay[side].isEmpty: word = end + "="
            case 10 where !underWay[side].isEmpty: word = end + "~"
            case 11: word = "@\(random.next32() % 4)"
            case 12 where party(side).active["net"] != nil || !isUp:
                word = end + beginnings[Int(random.next32()) % beginnings.count]
            default: continue
            }
            try play(word[...], false)
            checkTraffic()
        }
    }

    // MARK: What must hold

    /// Between any two steps.
    private func checkTraffic() {
        guard !mayLosePackets else { return }
        for side in [0, 1] {
            let (sender, receiver) = (party(side), party(1 - side))
            guard let active = sender.activeChild("net") else {
                Issue.record("\(sender.name) has no SA to send by: \(played)")
                continue
            }
            let accepts = receiver.present.contains(active.outboundSPI)
            #expect(accepts, "\(receiver.name) does not accept ESP: \(played)")
            if let before = lastSent[side] {
                let late = receiver.present.contains(before)
                #expect(late, "\(receiver.name) drops ESP of a moment ago: \(played)")
            }
            lastSent[side] = active.outboundSPI
            if hasTraffic, accepts {
                dialogue.handle(.childSAInUse(inboundSPI: active.outboundSPI), at: receiver)
            }
        }
        collect()
    }

    private func stages(_ party: Party) -> [String] {
        party.engine.sas.all().flatMap { sa in
            (sa.established?.children.values.map { $0 } ?? []).sorted {
                $0.inboundSPI < $1.inboundSPI
            }.map { "\($0.inboundSPI)/\($0.outboundSPI) \($0.stage)" }
        }
    }

    /// Delivers what is left, and lets everything settle.
    private func calm() {
        for side in [0, 1] {
            for message in underWay[side] { deliver(message, by: side) }
            underWay[side] = []
        }
        dialogue.advance(by: .seconds(1500))
    }

    /// What was given up on the way is asked for again.
    func playOnceCalm(_ script: String) throws {
        calm()
        lastSent = [nil, nil]
        mayLosePackets = true
        try play(script)
    }

    /// Calms down, and compares the two ends.
    func finish(_ end: Order.End) {
        calm()
        let (left, right) = (dialogue.left, dialogue.right)
        let statuses = [left, right].map { $0.engine.status(at: dialogue.now).ikeSAs }
        let children: [String] =
            switch end {
            case .tunnel: ["net"]
            case .tunnels: ["more", "net"]
            case .noChild, .nothing: []
            }
        for (party, status) in zip([left, right], statuses) {
            let counts = end == .nothing ? 0...0 : 1...(areFew ? max(children.count, 1) : 1)
            #expect(counts.contains(status.count), "IKE SAs of \(party.name): \(played)")
            #expect(status.allSatisfy { $0.stage == .established })
            #expect(
                party.children.map(\.child).sorted() == children,
                "\(party.name): \(played) \(stages(party))"
            )
            #expect(
                party.engine.sas.reservedSPICount == children.count,
                "SPIs that \(party.name) holds"
            )
        }
        let spis = statuses.map { Set($0.map { [$0.initiatorSPI, $0.responderSPI] }) }
        #expect(spis[0] == spis[1])
        for child in children { #expect(dialogue.agree(on: child), "\(child)") }
        if end == .nothing { #expect(left.engine.isIdle && right.engine.isIdle) }
    }
}
