import IKEMessages
import IPsecPrimitives
import Testing

@testable import IKEProtocol

/// Lifetimes so short that a second try could come too late (RFC 7296 §2.25).
@Suite("Short lifetimes")
struct ShortLifetimeTests {
    @Test("TEMPORARY_FAILURE is tried again before the SA ends", arguments: [true, false])
    func temporaryFailure(isOfIKE: Bool) throws {
        var setup = Setup()
        let short = SALifetime(
            rekeyAfter: .seconds(5),
            jitterPercent: 0,
            expireAfter: .milliseconds(5500)
        )
        if isOfIKE { setup.ikeLifetime = short } else { setup.childLifetime = short }
        let dialogue = Dialogue(setup)
        dialogue.initiate()
        let sa = try #require(dialogue.left.engine.sas.all().first)
        let state = try #require(sa.established)
        let spi = try #require(state.children.keys.first)
        let task: IKETask = isOfIKE ? .rekeyIKESA : .rekeyChild(inboundSPI: spi)
        let end = try #require(isOfIKE ? sa.timers[.expiry] : sa.timers[.childExpiry(spi)])
        // Nothing comes of the exchanges; what is asked is when the next one begins.
        var now = end + .milliseconds(-500)
        var tries = 0
        while now < end {
            dialogue.left.engine.refusedForNow(task, of: sa, state, at: now)
            let next = try #require(sa.timers[.retry(task)])
            #expect(next - now >= .milliseconds(100))
            if next < end { tries += 1 }
            now = next
        }
        #expect(tries >= 2)
    }

    @Test("an SA with time to spare waits one to five seconds")
    func longLifetime() throws {
        let dialogue = Dialogue()
        dialogue.initiate()
        let sa = try #require(dialogue.left.engine.sas.all().first)
        let state = try #require(sa.established)
        dialogue.left.engine.refusedForNow(.rekeyIKESA, of: sa, state, at: dialogue.now)
        let next = try #require(sa.timers[.retry(.rekeyIKESA)])
        #expect((Duration.seconds(1)...Duration.seconds(5)).contains(next - dialogue.now))
    }
}

/// The end of everything, with peers that do not answer any more.
@Suite("Shutting down beside dead peers")
struct ShutDownTests {
    @Test("a peer that has not answered three sendings is told, and not waited for")
    func silentPeer() {
        let dialogue = Dialogue()
        dialogue.initiate()
        dialogue.link = { _ in [] }
        dialogue.handle(.probe(connection: "site"), at: dialogue.left)
        dialogue.settle()
        dialogue.handle(.shutDown, at: dialogue.left)
        #expect(!dialogue.left.engine.isIdle)

        let later = Dialogue()
        later.initiate()
        later.link = { _ in [] }
        later.handle(.probe(connection: "site"), at: later.left)
        later.advance(by: .seconds(10))
        later.left.outbox = []
        later.handle(.shutDown, at: later.left)
        #expect(later.left.engine.isIdle && later.left.present.isEmpty)
        // The window has room for the Delete.
        #expect(later.left.outbox.count == 1)
    }
}
