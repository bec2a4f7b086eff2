import IKEMessages
import IKEProtocol
import IPsecPrimitives
import Testing

/// An initiator that was asked for a cookie has sent its first request twice, once without, and takes
/// the first answer to either (RFC 7296 §2.6, §2.15).
@Suite("Versions of a first request")
struct RequestVersionTests {
    private struct Course {
        let dialogue: Dialogue
        let plain: IKEDatagram
        let withCookie: IKEDatagram
    }

    /// The left end has been asked for a cookie, and sends it; then the need for cookies is over.
    private func askedForCookie(
        secret: String = Setup().secret,
        encapsulation: IKEConnection.Encapsulation = Setup().encapsulation
    ) throws -> Course {
        var settings = EngineSettings()
        settings.cookieThreshold = 1
        var right = Setup().mirrored
        right.remoteAddress = "any"
        var left = Setup()
        left.secret = secret
        left.encapsulation = encapsulation
        let dialogue = Dialogue(left, right, settings: settings)
        var other = Setup()
        other.localAddress = "198.51.100.1"
        let stranger = Party("left", other.localAddress, settings: settings, seed: 1000)
        dialogue.configure(stranger, other)
        dialogue.begin(stranger)
        dialogue.carry(from: stranger, to: dialogue.right)
        dialogue.right.outbox = []
        dialogue.begin(dialogue.left)
        let plain = try #require(dialogue.left.outbox.first)
        dialogue.carry(from: dialogue.left, to: dialogue.right)
        #expect(dialogue.right.engine.counters.cookiesGiven == 1)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        let withCookie = try #require(dialogue.left.outbox.first)
        dialogue.left.outbox = []
        // The stranger is heard of no more.
        dialogue.pass(settings.halfOpenTimeout)
        dialogue.left.outbox = []
        #expect(dialogue.right.engine.status(at: dialogue.now).halfOpenSAs == 0)
        return Course(dialogue: dialogue, plain: plain, withCookie: withCookie)
    }

    // A forged hash of the address is random, and must not be another beside the cookie.
    @Test(
        "all versions get one answer, whichever comes first",
        arguments: [false, true],
        [IKEConnection.Encapsulation.automatic, .udp]
    )
    func oneAnswer(plainIsFirst: Bool, encapsulation: IKEConnection.Encapsulation) throws {
        let course = try askedForCookie(encapsulation: encapsulation)
        let dialogue = course.dialogue
        let requests = [course.plain, course.withCookie]
        for request in plainIsFirst ? requests : requests.reversed() {
            dialogue.deliver(request, to: dialogue.right)
        }
        #expect(dialogue.right.engine.status(at: dialogue.now).halfOpenSAs == 1)
        #expect(dialogue.right.outbox.count == 2)
        #expect(dialogue.right.outbox.first?.bytes == dialogue.right.outbox.last?.bytes)
        dialogue.settle()
        #expect(dialogue.agree())
        #expect(dialogue.right.failures.isEmpty)
    }

    @Test("the version that is signed need not have come before the answer")
    func signedLater() throws {
        let course = try askedForCookie()
        let dialogue = course.dialogue
        dialogue.deliver(course.plain, to: dialogue.right)
        dialogue.carry(from: dialogue.right, to: dialogue.left)
        dialogue.deliver(course.withCookie, to: dialogue.right)
        dialogue.settle()
        #expect(dialogue.agree())
    }

    @Test("versions with cookies that are none are answered and not kept")
    func falseCookies() throws {
        let course = try askedForCookie()
        let dialogue = course.dialogue
        dialogue.deliver(course.plain, to: dialogue.right)
        dialogue.deliver(course.withCookie, to: dialogue.right)
        dialogue.right.outbox.removeLast()
        let outline = try #require(InitRequestOutline(of: course.withCookie.bytes))
        let place = try #require(outline.cookie).lowerBound
        for value in 0..<20 {
            var forged = course.withCookie
            forged.bytes[place + 8] ^= UInt8(value + 1)
            dialogue.deliver(forged, to: dialogue.right)
            dialogue.right.outbox.removeLast()
        }
        #expect(dialogue.right.engine.status(at: dialogue.now).halfOpenSAs == 1)
        dialogue.settle()
        #expect(dialogue.agree())
    }

    @Test("whose secret is wrong is refused in each version")
    func wrongSecret() throws {
        let course = try askedForCookie(secret: "another")
        let dialogue = course.dialogue
        dialogue.deliver(course.plain, to: dialogue.right)
        dialogue.deliver(course.withCookie, to: dialogue.right)
        dialogue.settle()
        #expect(!dialogue.agree())
        #expect(dialogue.right.failures.map(\.subject) == [.secret])
    }
}
