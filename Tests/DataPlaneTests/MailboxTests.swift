internal import Testing

@testable internal import DataPlane

@Suite("Mailboxes")
struct MailboxTests {
    @Test func aFullMailboxRefusesAndLosesNothing() throws {
        let mailbox = try Mailbox<Int>(capacity: 4)
        for round in 0..<3 {
            #expect((0..<6).map { mailbox.send(round * 10 + $0) }.filter { $0 }.count == 4)
            #expect((0..<4).map { _ in mailbox.receive() } == (0..<4).map { round * 10 + $0 })
            #expect(mailbox.receive() == nil)
        }
    }

    @Test func aReserveIsLeftForOthers() throws {
        let mailbox = try Mailbox<Int>(capacity: 8)
        #expect((0..<8).filter { mailbox.send($0, reserve: 6) }.count == 2)
        #expect((0..<8).filter { mailbox.send($0) }.count == 6)
    }
}
