import IKEMessages
import IPsecPrimitives
import Testing

@testable import IKEProtocol

@Suite("Probes of a path's MTU (RFC 8899)")
struct PathMTUProbeTests {
    private func up(_ setup: Setup = Setup(), _ right: Setup? = nil) throws -> (Dialogue, SPI) {
        let dialogue = Dialogue(setup, right)
        dialogue.initiate()
        return (dialogue, try #require(dialogue.left.children.first?.inboundSPI))
    }

    private func probe(_ octets: Int, _ dialogue: Dialogue, _ child: SPI) {
        dialogue.handle(.probePathMTU(inboundSPI: child, octets: octets), at: dialogue.left)
    }

    @Test(
        "one datagram of the size that was asked for, which the peer answers",
        arguments: [
            1281, 1400, 1500, 9000,
        ]
    )
    func arrives(octets: Int) throws {
        let (dialogue, child) = try up()
        let before = dialogue.sent.count
        probe(octets, dialogue, child)
        dialogue.settle()
        #expect(dialogue.sent.count == before + 2)
        let sent = dialogue.sent[before]
        #expect(sent.isUncut && !dialogue.sent[before + 1].isUncut)
        // IP and UDP header.
        #expect(sent.bytes.count + 28 <= octets && sent.bytes.count + 28 > octets - 16)
        let remote = try #require(IPAddress("192.0.2.2"))
        let size = sent.bytes.count + 28
        #expect(
            dialogue.left.probes == [
                PathMTUProbe(remote: remote, octets: size, hasArrived: true)
            ]
        )
    }

    @Test("a probe that is lost goes again in fragments, and no peer is lost with it")
    func isLost() throws {
        let (dialogue, child) = try up()
        dialogue.link = { $0.bytes.count + 28 <= 1400 ? [$0] : [] }
        probe(1500, dialogue, child)
        dialogue.advance(by: .seconds(20))
        #expect(dialogue.left.probes.map(\.hasArrived) == [false])
        #expect(dialogue.agree())
        // Below what an IPv6 link carries, too.
        dialogue.link = { $0.bytes.count + 28 <= 700 ? [$0] : [] }
        probe(1300, dialogue, child)
        dialogue.advance(by: .seconds(40))
        #expect(dialogue.left.probes.map(\.hasArrived) == [false, false])
        #expect(dialogue.agree())
    }

    @Test("none where nothing smaller could follow, nor beside another probe")
    func isRefused() throws {
        var right = Setup().mirrored
        right.fragmentSize = nil
        let (dialogue, child) = try up(Setup(), right)
        let (other, pair) = try up()
        let before = (dialogue.sent.count, other.sent.count)
        probe(1500, dialogue, child)
        probe(576, other, pair)
        #expect(dialogue.left.outbox.isEmpty && other.left.outbox.isEmpty)
        probe(1500, other, pair)
        probe(1400, other, pair)
        other.settle()
        #expect(other.sent.count == before.1 + 2 && other.left.probes.count == 1)
        #expect(dialogue.sent.count == before.0)
    }
}
