import IKEMessages
import IKEProtocol
import IPsecPrimitives
import Testing

@Suite("Floods of first requests")
struct FloodTests {
    /// First requests from so many addresses, each of a peer of its own; none is answered.
    private func flood(
        _ dialogue: Dialogue,
        from addresses: [String],
        settings: EngineSettings = EngineSettings()
    ) {
        for (number, address) in addresses.enumerated() {
            var setup = Setup()
            setup.localAddress = address
            let stranger = Party("left", address, settings: settings, seed: UInt64(1000 + number))
            dialogue.configure(stranger, setup)
            dialogue.begin(stranger)
            dialogue.carry(from: stranger, to: dialogue.right)
        }
        dialogue.right.outbox = []
    }

    /// The right end takes anybody.
    private func open(_ settings: EngineSettings) -> Dialogue {
        var right = Setup().mirrored
        right.remoteAddress = "any"
        return Dialogue(Setup(), right, settings: settings)
    }

    @Test("when half of the places are taken, a puzzle has to be solved, and is")
    func puzzle() {
        var settings = EngineSettings()
        settings.cookieThreshold = 2
        settings.halfOpenLimit = 8
        settings.puzzleDifficulty = 9
        let dialogue = open(settings)
        // Without cookies, the first two stay; those with cookies of their own follow.
        flood(dialogue, from: ["198.51.100.1", "198.51.100.2"], settings: settings)
        for number in 3...4 {
            let address = "198.51.100.\(number)"
            var setup = Setup()
            setup.localAddress = address
            let stranger = Party("left", address, settings: settings, seed: UInt64(number))
            dialogue.configure(stranger, setup)
            dialogue.begin(stranger)
            for _ in 0..<2 {
                dialogue.carry(from: stranger, to: dialogue.right)
                dialogue.carry(from: dialogue.right, to: stranger)
            }
        }
        #expect(dialogue.right.engine.status(at: dialogue.now).halfOpenSAs == 4)
        dialogue.initiate()
        #expect(dialogue.left.count { $0 == .puzzleDemandedByPeer(difficulty: 9) } == 1)
        dialogue.advance(by: .seconds(2))
        #expect(dialogue.agree())
        #expect(dialogue.right.engine.counters.puzzlesSolved == 1)
        #expect(dialogue.right.engine.counters.puzzlesGiven == 1)
        #expect(dialogue.left.engine.counters.puzzlesWorkedOut == 1)
    }

    @Test("who declines the puzzle says so, and is served by lot or not at all")
    func declinedPuzzle() {
        var settings = EngineSettings()
        settings.cookieThreshold = 0
        settings.halfOpenLimit = 1000
        settings.puzzleThresholdPerAddress = 0
        settings.puzzleDifficulty = 30
        let dialogue = open(settings)
        dialogue.initiate()
        #expect(
            dialogue.left.count { if case .puzzleDeclined = $0 { true } else { false } } == 1
        )
        // The lot falls with the first request or with one of its repetitions.
        for _ in 0..<12 where !dialogue.agree() { dialogue.advance(by: .seconds(30)) }
        #expect(dialogue.right.engine.counters.dropped(.puzzleRequired) > 0)
    }

    @Test("a solution pays for one half-open SA")
    func solutionServesOnce() throws {
        var settings = EngineSettings()
        settings.cookieThreshold = 0
        settings.puzzleThresholdPerAddress = 0
        settings.puzzleDifficulty = 8
        settings.halfOpenLimit = 1
        let dialogue = open(settings)
        dialogue.begin(dialogue.left)
        // Cookie, puzzle, solution; the last answer is lost.
        for _ in 0..<2 {
            dialogue.carry(from: dialogue.left, to: dialogue.right)
            dialogue.carry(from: dialogue.right, to: dialogue.left)
        }
        while dialogue.left.outbox.isEmpty {
            dialogue.tick()
        }
        let solved = try #require(dialogue.left.outbox.first)
        var raised = settings
        raised.halfOpenLimit = 100
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        #expect(dialogue.right.engine.status(at: dialogue.now).halfOpenSAs == 1)
        var other = solved
        // Another key exchange value under the same cookie, nonce and solution.
        let position = try #require(keyExchangeOffset(in: solved.bytes))
        other.bytes[position] ^= 0x40
        dialogue.deliver(other, to: dialogue.right)
        #expect(dialogue.right.engine.status(at: dialogue.now).halfOpenSAs == 1)
        #expect(dialogue.right.engine.counters.puzzlesSolved == 1)
    }

    /// Somewhere within the value of the KE payload.
    private func keyExchangeOffset(in message: [UInt8]) -> Int? {
        var type = message[16]
        var start = 28
        while type != 0, start + 4 <= message.count {
            if type == 34 { return start + 12 }
            type = message[start]
            start += Int(message[start + 2]) << 8 | Int(message[start + 3])
        }
        return nil
    }

    @Test("one address has to show cookies long before others do")
    func cookiesByAddress() {
        let settings = EngineSettings()
        let dialogue = open(settings)
        flood(dialogue, from: Array(repeating: "198.51.100.7", count: 20))
        #expect(dialogue.right.engine.status(at: dialogue.now).halfOpenSAs == 16)
        #expect(dialogue.right.engine.counters.dropped(.cookieRequired) == 4)
        dialogue.initiate()
        #expect(dialogue.agree())
        #expect(dialogue.left.count { $0 == .cookieDemandedByPeer } == 0)
    }

    @Test("the addresses of one IPv4 network of 24 bits are bounded together")
    func limitByNetwork() {
        var settings = EngineSettings()
        settings.halfOpenLimitPerNetwork = 10
        let dialogue = open(settings)
        flood(dialogue, from: (1...20).map { "198.51.100.\($0)" })
        #expect(dialogue.right.engine.status(at: dialogue.now).halfOpenSAs == 10)
        flood(dialogue, from: (1...5).map { "198.51.101.\($0)" })
        #expect(dialogue.right.engine.status(at: dialogue.now).halfOpenSAs == 15)
    }

    @Test("under a flood half-open SAs are kept for a shorter time")
    func shorterPatience() {
        var settings = EngineSettings()
        settings.cookieThreshold = 4
        let dialogue = open(settings)
        flood(dialogue, from: (1...4).map { "198.51.100.\($0)" })
        var setup = Setup()
        setup.localAddress = "198.51.100.9"
        let late = Party("left", setup.localAddress, settings: settings, seed: 77)
        dialogue.configure(late, setup)
        dialogue.begin(late)
        for _ in 0..<2 {
            dialogue.carry(from: late, to: dialogue.right)
            dialogue.carry(from: dialogue.right, to: late)
        }
        #expect(dialogue.right.engine.status(at: dialogue.now).halfOpenSAs == 5)
        dialogue.advance(by: .seconds(11))
        #expect(dialogue.right.engine.status(at: dialogue.now).halfOpenSAs == 5)
        // The fourth and the fifth came when there were three and four.
        dialogue.advance(by: .seconds(2))
        #expect(dialogue.right.engine.status(at: dialogue.now).halfOpenSAs == 3)
    }

    @Test("ten thousand forged requests leave what a few do, and a true peer connects")
    func manyForgeries() {
        let dialogue = open(EngineSettings())
        let stranger = Party("left", "192.0.2.1", settings: EngineSettings(), seed: 3)
        dialogue.configure(stranger, Setup())
        dialogue.begin(stranger)
        guard let template = stranger.outbox.first else { return }
        var random = SeededRandomSource(seed: 9)
        for _ in 0..<10_000 {
            var forged = template
            forged.bytes.replaceSubrange(0..<8, with: random.bytes(8))
            forged.local.address = IPAddress(bytes: random.bytes(4))!
            dialogue.deliver(forged, to: dialogue.right)
            dialogue.right.outbox = []
        }
        let status = dialogue.right.engine.status(at: dialogue.now)
        #expect(status.halfOpenSAs == EngineSettings().cookieThreshold)
        #expect(status.counters.dropped(.cookieRequired) == 10_000 - 32)
        dialogue.initiate()
        #expect(dialogue.agree())
    }
}
