import IPsecPrimitives
import Testing

@testable import IKEProtocol

@Suite("Message windows")
struct MessageWindowTests {
    @Test("requests wait until the oldest within the window is answered")
    func requests() {
        var window = RequestWindow()
        #expect(window.add(.checkLiveness, SentMessage([0])).messageID == 0)
        #expect(!window.isOpen)
        window.widen(to: 3)
        #expect(window.add(.checkLiveness, SentMessage([1])).messageID == 1)
        #expect(window.add(.checkLiveness, SentMessage([2])).messageID == 2)
        #expect(!window.isOpen)
        // RFC 7296 §2.3: 3 waits for all requests up to 0, not for any one.
        window.remove(1)
        #expect(!window.isOpen)
        window.remove(0)
        #expect(window.isOpen)
        #expect(window.add(.checkLiveness, SentMessage([3])).messageID == 3)
        #expect(window.add(.checkLiveness, SentMessage([4])).messageID == 4)
        #expect(!window.isOpen)
        #expect(window[2]?.message.datagrams == [[2]] && window[1] == nil)
        #expect(window.isLatest(4) && !window.isLatest(2))
    }

    @Test("a request beyond the window has its number and leaves in its turn")
    func holding() {
        var window = RequestWindow()
        window.widen(to: 2)
        for number: UInt8 in 0..<4 { _ = window.add(.checkLiveness, SentMessage([number])) }
        #expect(window.outstanding.map(\.isHeld) == [false, false, true, true])
        window.remove(1)
        #expect(window.release()?.messageID == nil)
        window.remove(0)
        #expect(window.release()?.messageID == 2 && window.release()?.messageID == 3)
        #expect(window.release()?.messageID == nil)
    }

    @Test("what waits for room leaves before what comes later, though there is room for both")
    func order() {
        var window = RequestWindow()
        window.widen(to: 2)
        for number: UInt8 in 0..<3 { _ = window.add(.checkLiveness, SentMessage([number])) }
        window.remove(1)
        window.remove(0)
        #expect(window.isOpen)
        #expect(window.add(.checkLiveness, SentMessage([3])).isHeld)
        #expect(window.release()?.messageID == 2 && window.release()?.messageID == 3)
    }

    @Test("the number of a request that never left goes to the next one")
    func takenBack() {
        var window = RequestWindow()
        _ = window.add(.checkLiveness, SentMessage([0]))
        #expect(window.add(.checkLiveness, SentMessage([1])).isHeld)
        window.remove(1)
        window.remove(0)
        #expect(window.add(.checkLiveness, SentMessage([2])).messageID == 1)
    }

    @Test("a window is never made smaller, nor larger than what is kept")
    func widening() {
        var window = RequestWindow()
        window.widen(to: 8)
        window.widen(to: 2)
        #expect(window.size == 8)
        window.widen(to: .max)
        #expect(window.size == MessageWindow.limit)
        window.widen(to: 0)
        #expect(window.size == MessageWindow.limit)
    }

    @Test("message IDs go on past the largest number")
    func wrapping() {
        var window = ResponseWindow(nextMessageID: .max)
        window.size = 4
        window.answered([1], 1, with: SentMessage([11]), at: .origin)
        window.answered([0], 0, with: SentMessage([10]), at: .origin)
        #expect(window.admits(.max) && !window.admits(0) && window.admits(2) && !window.admits(3))
        window.answered([9], .max, with: SentMessage([19]), at: .origin)
        #expect(window.nextMessageID == 2)
        #expect(window.repeatAnswer(to: .max)?.message.datagrams == [[19]])
    }

    /// Against the definition: a set of what is answered.
    @Test("any order within any window", arguments: [1, 2, 5, 33, 64] as [UInt32])
    func anyOrder(size: UInt32) {
        var random = SeededRandomSource(seed: UInt64(size))
        var window = ResponseWindow(nextMessageID: 1)
        window.size = size
        var answered: Set<UInt32> = [0]
        var base: UInt32 = 1
        for _ in 0..<2000 {
            let candidate = base &+ random.next32() % (size + 3) &- min(base, 2)
            let isWanted = candidate >= base && candidate < base + size
            let admits = isWanted && !answered.contains(candidate)
            #expect(window.admits(candidate) == admits)
            let request = [UInt8(truncatingIfNeeded: candidate), 7]
            guard admits else { continue }
            #expect(window.isLatest(candidate) == (answered.max()! < candidate))
            window.answered(request, candidate, with: SentMessage(request + [1]), at: .origin)
            answered.insert(candidate)
            while answered.contains(base) { base += 1 }
            #expect(window.nextMessageID == base)
            let latest = answered.max()!
            for old in answered where old != 0 {
                let octets = [UInt8(truncatingIfNeeded: old), 7]
                let isKept = window.isRepetition(octets, old)
                // All that the peer may still ask for, and no more than a window.
                #expect(isKept == (latest - old < size))
            }
        }
    }

    @Test("answers are forgotten when nobody can want them any more")
    func forgetting() {
        var window = ResponseWindow()
        window.answered([1], 0, with: SentMessage([2]), at: .origin + .seconds(10))
        let early = window.forgetAnswers(olderThan: .seconds(60), at: .origin + .seconds(60))
        #expect(early == .origin + .seconds(70))
        #expect(window.hasAnswers)
        #expect(window.forgetAnswers(olderThan: .seconds(60), at: .origin + .seconds(70)) == nil)
        #expect(!window.hasAnswers)
        // Still answered: nothing happens twice.
        #expect(!window.admits(0) && window.admits(1))
    }
}
