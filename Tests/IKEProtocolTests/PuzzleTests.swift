import IKEMessages
import IPsecCrypto
import IPsecPrimitives
import Testing

@testable import IKEProtocol

@Suite("Puzzles")
struct PuzzleTests {
    /// The cookie of RFC 8019 §4.4.
    private static let cookie: [UInt8] = [
        0x73, 0x9a, 0xe7, 0x49, 0x2d, 0x8a, 0x81, 0x0c, 0xf5, 0xe8, 0xdc, 0x0f, 0x96, 0x26, 0xc9,
        0xdd, 0xa7, 0x73, 0xc5, 0xa3,
    ]

    // Keys and bits come from Python's hmac module. Those that RFC 8019 prints in table 1 do not
    // end in zeros with the cookie that it prints beside them, in whatever order or form.
    @Test(
        "zero bits of HMAC-SHA-256, counted by another program",
        arguments: [
            ([0x00, 0x49, 0x9b], 14), ([0x00, 0xcd, 0x8a], 18), ([0x01, 0xb4, 0xdc], 15),
            ([0x01, 0xc2, 0x44], 16),
        ] as [([UInt8], Int)]
    )
    func zeroBits(key: [UInt8], bits: Int) throws {
        let prf = try #require(PRF(.hmacSHA256))
        #expect(Puzzle.zeroBits(prf, key: key, PuzzleTests.cookie) == bits)
    }

    @Test("a solution is as good as its worst key, and for its own cookie only")
    func worstKey() throws {
        let keys: [UInt8] = [
            0x00, 0x49, 0x9b, 0x00, 0xcd, 0x8a, 0x01, 0xb4, 0xdc, 0x01, 0xc2, 0x44,
        ]
        let solution = try #require(PuzzleSolutionPayload(data: keys))
        let right = Puzzle(function: .hmacSHA256, difficulty: 14)
        #expect(right.isSolved(by: solution, over: PuzzleTests.cookie))
        #expect(!right.isSolved(by: solution, over: PuzzleTests.cookie + [0]))
        let harder = Puzzle(function: .hmacSHA256, difficulty: 15)
        #expect(!harder.isSolved(by: solution, over: PuzzleTests.cookie))
    }

    @Test("the search finds what the check accepts, in slices")
    func search() throws {
        let puzzle = Puzzle(function: .hmacSHA512, difficulty: 9)
        var search = try #require(PuzzleSearch(puzzle, over: PuzzleTests.cookie, limit: 16))
        var slices = 0
        var progress = search.advance(tries: 50)
        while progress == .searching, slices < 1000 {
            slices += 1
            progress = search.advance(tries: 50)
        }
        guard case .solved(let solution) = progress else {
            Issue.record("not solved")
            return
        }
        #expect(slices > 1)
        #expect(puzzle.isSolved(by: solution, over: PuzzleTests.cookie))
    }

    @Test("one key four times, keys of uneven lengths and keys that are too long solve nothing")
    func badSolutions() throws {
        let puzzle = Puzzle(function: .hmacSHA256, difficulty: 8)
        func solves(_ data: [UInt8]) throws -> Bool {
            let solution = try #require(PuzzleSolutionPayload(data: data))
            return puzzle.isSolved(by: solution, over: PuzzleTests.cookie)
        }
        let key: [UInt8] = [0x00, 0x49, 0x9b]
        #expect(try !solves(key + key + key + key))
        #expect(try !solves([1, 2, 3]))
        #expect(try !solves(Array(repeating: 0, count: 4 * 65)))
        #expect(PuzzleSolutionPayload(data: []) == nil)
    }

    @Test("a puzzle above the limit, or of a function that nobody has, is not begun")
    func limits() {
        let puzzle = Puzzle(function: .hmacSHA256, difficulty: 21)
        #expect(PuzzleSearch(puzzle, over: PuzzleTests.cookie, limit: 20) == nil)
        #expect(Puzzle(NotifyPayload(.puzzle, data: [0xEE, 0xEE, 16])) == nil)
        #expect(Puzzle(NotifyPayload(.puzzle, data: [0, 5])) == nil)
        let free = Puzzle(function: .hmacSHA256, difficulty: 0)
        #expect(PuzzleSearch(free, over: PuzzleTests.cookie, limit: 10)?.bits == 10)
    }
}
