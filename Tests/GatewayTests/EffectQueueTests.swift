import Testing

@testable import Gateway

@Suite("Effects one after the other")
struct EffectQueueTests {
    @Test func whatFollowsFromOneWaitsForTheRest() {
        let queue = EffectQueue<String>()
        var done: [String] = []
        queue.run(["question", "datagram", "policies"]) { effect in
            done.append(effect)
            guard effect == "question" else { return }
            // The answer comes at once, and with it effects that were decided later.
            queue.run(["answer 1", "answer 2"]) { _ in Issue.record("done within another") }
            #expect(done == ["question"])
        }
        #expect(done == ["question", "datagram", "policies", "answer 1", "answer 2"])
        queue.run(["next"]) { done.append($0) }
        #expect(done.last == "next" && done.count == 6)
    }
}
