internal import Foundation
internal import LinuxIO
internal import Testing

struct NamespaceClaimTests {
    private let name = "@cygnet-\(UUID().uuidString.prefix(8))"

    @Test func oneAtATime() throws {
        var claim = try NamespaceClaim.take(name)
        #expect(claim != nil)
        // Nobody answers before the gateway's loop runs, and everybody is told all the same.
        for _ in 0..<3 {
            do {
                _ = try NamespaceClaim.take(name)
                Issue.record("taken twice")
            } catch {
                #expect(error.errorNumber == EADDRINUSE)
                #expect(error.remedy.contains("process \(getpid())"))
            }
        }
        claim?.answerQuestions()
        claim = nil
        #expect(try NamespaceClaim.take(name) != nil)
    }

    /// Anybody may fill the queue until the gateway looks after it.
    @Test func aFullQueueHidesNoGateway() throws {
        let claim = try #require(try NamespaceClaim.take(name))
        let path = name
        func isFull() -> Bool {
            do {
                return try NamespaceClaim.take(path, patience: 1) == nil
            } catch { return false }
        }
        #expect((0..<500).contains { _ in isFull() })
        let gateway = Gateway(claim: claim)
        let housekeeping = Thread {
            Thread.sleep(forTimeInterval: 0.3)
            gateway.claim.answerQuestions()
        }
        housekeeping.start()
        do {
            _ = try NamespaceClaim.take(name, patience: 10_000)
            Issue.record("taken twice")
        } catch {
            #expect(error.errorNumber == EADDRINUSE)
        }
    }
}

extension NamespaceClaimTests {
    /// Whoever waits for an answer takes the name of one that has ended meanwhile.
    @Test func anEndWhileAnotherWaitsFreesTheName() throws {
        let box = ClaimBox()
        box.claim = try NamespaceClaim.take(name)
        for _ in 0..<200 { _ = try? NamespaceClaim.take(name, patience: 1) }
        let ending = Thread {
            Thread.sleep(forTimeInterval: 0.3)
            box.claim = nil
        }
        ending.start()
        #expect(try NamespaceClaim.take(name, patience: 10_000) != nil)
    }
}

private final class ClaimBox: @unchecked Sendable {
    var claim: NamespaceClaim?
}

private struct Gateway: @unchecked Sendable {
    let claim: NamespaceClaim
}
