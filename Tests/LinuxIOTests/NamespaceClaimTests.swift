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
}
