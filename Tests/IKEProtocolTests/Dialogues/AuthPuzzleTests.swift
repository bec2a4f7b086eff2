import IPsecPrimitives
import Testing

@testable import IKEProtocol

/// Puzzles in IKE_AUTH (RFC 8019 §7.2).
@Suite("Puzzles in IKE_AUTH")
struct AuthPuzzleTests {
    private static let puzzleSolution: UInt8 = 54
    private static let encryptedFragment: UInt8 = 53
    private static let ikeAuth: UInt8 = 35

    /// A responder that many have led to half-open SAs, whose IKE_AUTH was rubbish each time.
    private func attacked(
        by strangers: Int = 8,
        proposals: [String] = ["aes256gcm16-prfsha256-x25519"],
        fragmentSize: Int? = 1280
    ) throws -> Dialogue {
        var settings = EngineSettings()
        settings.cookieThreshold = 0
        settings.puzzleThresholdPerAddress = 0
        settings.puzzleDifficulty = 8
        var setup = Setup()
        setup.ikeProposals = proposals
        setup.fragmentSize = fragmentSize
        var right = setup.mirrored
        right.remoteAddress = "any"
        let dialogue = Dialogue(setup, right, settings: settings)
        for number in 0..<strangers {
            let address = "198.51.100.\(number + 1)"
            var other = Setup()
            other.localAddress = address
            let seed = UInt64(100 + number)
            let stranger = Party("left", address, settings: settings, seed: seed)
            dialogue.configure(stranger, other)
            dialogue.begin(stranger)
            var forged = try #require(authRequest(of: stranger, in: dialogue))
            forged.bytes[forged.bytes.count - 1] ^= 1
            dialogue.deliver(forged, to: dialogue.right)
            dialogue.deliver(forged, to: dialogue.right)
            dialogue.right.outbox = []
        }
        #expect(dialogue.right.engine.sas.spoiltCount == strangers)
        return dialogue
    }

    /// Carries messages until the initiator has solved its puzzles and wants to send IKE_AUTH.
    private func authRequest(of party: Party, in dialogue: Dialogue) -> IKEDatagram? {
        for _ in 0..<2000 {
            if let first = party.outbox.first, first.bytes[18] == AuthPuzzleTests.ikeAuth {
                return first
            }
            dialogue.carry(from: party, to: dialogue.right)
            dialogue.carry(from: dialogue.right, to: party)
            dialogue.pass(.milliseconds(1))
            dialogue.handle(.timeout, at: party)
        }
        return nil
    }

    private func demands(_ dialogue: Dialogue) -> Int {
        dialogue.left.count { $0 == .puzzleDemandedByPeer(difficulty: 8) }
    }

    @Test("where many IKE_AUTH were forged, the next one has to bring a solution, and does")
    func solved() throws {
        let dialogue = try attacked()
        let before = dialogue.right.engine.counters.puzzlesSolved
        dialogue.begin(dialogue.left)
        let request = try #require(authRequest(of: dialogue.left, in: dialogue))
        // §7.2.2: "MUST be placed outside the Encrypted payload".
        #expect(request.bytes[16] == AuthPuzzleTests.puzzleSolution)
        #expect(demands(dialogue) == 2)
        dialogue.settle()
        #expect(dialogue.agree())
        #expect(dialogue.right.engine.counters.puzzlesSolved == before + 2)
        #expect(dialogue.left.engine.counters.puzzlesWorkedOut == 2)
        dialogue.advance(by: .seconds(60))
        #expect(dialogue.right.engine.sas.spoiltCount == 0)
    }

    @Test("a wrong solution is dropped without a look into the message, the right one still counts")
    func wrongSolution() throws {
        let dialogue = try attacked()
        dialogue.begin(dialogue.left)
        var request = try #require(authRequest(of: dialogue.left, in: dialogue))
        let counters = dialogue.right.engine.counters
        request.bytes[40] ^= 0x80
        dialogue.deliver(request, to: dialogue.right)
        let after = dialogue.right.engine.counters
        #expect(after.dropped(.puzzleRequired) == counters.dropped(.puzzleRequired) + 1)
        #expect(after.dropped(.unauthentic) == counters.dropped(.unauthentic))
        #expect(dialogue.right.outbox.isEmpty)
        dialogue.settle()
        #expect(dialogue.agree())
    }

    @Test("in fragments the solution stands in the first alone, and no datagram is too large")
    func fragments() throws {
        let dialogue = try attacked(fragmentSize: 220)
        dialogue.begin(dialogue.left)
        _ = try #require(authRequest(of: dialogue.left, in: dialogue))
        let fragments = dialogue.left.outbox
        #expect(fragments.count > 1)
        let types = fragments.map { $0.bytes[16] }
        #expect(types[0] == AuthPuzzleTests.puzzleSolution)
        #expect(types.dropFirst().allSatisfy { $0 == AuthPuzzleTests.encryptedFragment })
        #expect(fragments.allSatisfy { $0.bytes.count + 28 <= 220 })
        // The later ones first: they are dropped, and come again.
        dialogue.left.outbox.reverse()
        dialogue.settle()
        #expect(!dialogue.agree())
        dialogue.advance(by: .seconds(5))
        #expect(dialogue.agree())
    }

    @Test("a few forgeries are no attack")
    func few() throws {
        let dialogue = try attacked(by: 7)
        dialogue.begin(dialogue.left)
        let request = try #require(authRequest(of: dialogue.left, in: dialogue))
        #expect(request.bytes[16] != AuthPuzzleTests.puzzleSolution && demands(dialogue) == 1)
        dialogue.settle()
        #expect(dialogue.agree())
    }

    @Test("nor is a puzzle given before additional key exchanges")
    func intermediate() throws {
        let proposals = [
            "aes256gcm16-prfsha256-x25519-ke1_mlkem768", "aes256gcm16-prfsha256-x25519",
        ]
        let dialogue = try attacked(proposals: proposals)
        dialogue.begin(dialogue.left)
        dialogue.advance(by: .seconds(1))
        #expect(dialogue.agree() && demands(dialogue) == 1)
    }

    @Test("a puzzle above the limit is declined, and another answer is waited for a while")
    func tooHard() throws {
        let dialogue = try attacked()
        dialogue.directedLink = { datagram, isFromLeft in
            var changed = datagram
            // The answer that begins with an SA payload ends with the PUZZLE and its difficulty.
            if !isFromLeft, datagram.bytes[18] == 34, datagram.bytes[16] == 33 {
                changed.bytes[changed.bytes.count - 1] = 31
            }
            return [changed]
        }
        dialogue.initiate()
        dialogue.advance(by: .seconds(3))
        #expect(
            dialogue.left.count { if case .puzzleDeclined = $0 { true } else { false } } == 1
        )
        #expect(dialogue.left.failures.first?.subject == .resources)
        #expect(dialogue.left.engine.sas.count == 0)
    }

    @Test("while the puzzle is worked on, the wish may go, and further answers change nothing")
    func withdrawn() throws {
        let dialogue = try attacked()
        dialogue.begin(dialogue.left)
        for _ in 0..<2000 where demands(dialogue) < 2 {
            dialogue.carry(from: dialogue.left, to: dialogue.right)
            for answer in dialogue.right.outbox {
                dialogue.deliver(answer, to: dialogue.left)
                dialogue.deliver(answer, to: dialogue.left)
            }
            dialogue.right.outbox = []
            if demands(dialogue) < 2 { dialogue.pass(.milliseconds(1)) }
        }
        #expect(demands(dialogue) == 2)
        #expect(dialogue.left.engine.counters.dropped(.repeatedResponse) > 0)
        dialogue.handle(.terminate(connection: "site", child: "net"), at: dialogue.left)
        dialogue.advance(by: .seconds(5))
        #expect(dialogue.left.engine.sas.count == 0)
    }
}
