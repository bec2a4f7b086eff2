import IKEMessages
import IPsecPrimitives
import Testing

@testable import IKEProtocol

/// What is told of addresses crosses the replacing of the IKE SA.
extension MobilityTests {
    /// Shown by seed 700004658 of the simulator.
    @Test("an update that comes behind the request that replaces the IKE SA moves the new one")
    func updateOvertaken() {
        let (dialogue, terrain) = connect(change: { near, far in
            near.window = 4
            far.window = 4
        })
        terrain.moveLeft(to: ["198.51.100.7"])
        overtake(dialogue, dialogue.left)
        #expect(packetsMeet(dialogue, "198.51.100.7", "192.0.2.2"))
        #expect(dialogue.agree())
    }

    @Test("addresses told behind the request that replaces the IKE SA are known by the new one")
    func addressesOvertaken() {
        let (dialogue, terrain) = connect(change: { near, far in
            near.window = 4
            far.window = 4
        })
        terrain.right.insert(IPAddress("198.51.100.2")!)
        terrain.announce()
        overtake(dialogue, dialogue.right)
        #expect(packetsMeet(dialogue, "192.0.2.1", "192.0.2.2"))
        terrain.right = [IPAddress("198.51.100.2")!]
        // The left end has something to ask.
        dialogue.handle(.rekeyIKESA(connection: "site"), at: dialogue.left)
        dialogue.advance(by: .seconds(60))
        #expect(packetsMeet(dialogue, "192.0.2.1", "198.51.100.2"))
        #expect(dialogue.agree())
    }

    /// What an end has told of its addresses arrives behind its request that replaces the IKE SA, and is
    /// answered first.
    private func overtake(_ dialogue: Dialogue, _ end: Party) {
        dialogue.handle(.rekeyIKESA(connection: "site"), at: end)
        let carry = dialogue.link
        var told: IKEDatagram?
        var isOvertaken = false, isAnswerLost = false
        dialogue.link = { datagram in
            let isRequest = datagram.bytes[19] & 0x20 == 0
            switch ExchangeType(rawValue: datagram.bytes[18]) {
            case .informational where isRequest && told == nil:
                told = datagram
                return []
            case .createChildSA where isRequest && !isOvertaken:
                isOvertaken = true
                return carry(datagram) + (told.map(carry) ?? [])
            case .createChildSA where !isRequest && !isAnswerLost:
                isAnswerLost = true
                return []
            default: return carry(datagram)
            }
        }
        dialogue.advance(by: .seconds(20))
        dialogue.link = carry
        #expect(told != nil && isOvertaken && isAnswerLost)
    }

    @Test("what was told by a newer IKE SA is not undone by what comes late by the first")
    func addressesOvertakenTwice() throws {
        let (dialogue, terrain) = connect(change: { near, far in
            near.window = 4
            far.window = 4
        })
        let (left, right) = (dialogue.left, dialogue.right)
        terrain.right.insert(IPAddress("198.51.100.2")!)
        terrain.announce()
        let late = right.outbox
        right.outbox = []
        // Nothing of what the right end asks by these arrives, its Deletes above all.
        var silenced: [[UInt8]] = []
        dialogue.link = { datagram in
            let isRequest = datagram.bytes[19] & 0x20 == 0
            let isInformational = datagram.bytes[18] == ExchangeType.informational.rawValue
            let isSilenced = silenced.contains(Array(datagram.bytes[..<16]))
            return isRequest && isInformational && isSilenced ? [] : [datagram]
        }
        func replace() throws {
            let sa = try #require(
                left.engine.sas.all().first { $0.established?.isReplaced == false }
            )
            silenced.append(late.isEmpty ? [] : spis(of: sa))
            dialogue.handle(.rekeyIKESA(connection: "site"), at: right)
            dialogue.settle()
        }
        try replace()
        terrain.right.insert(IPAddress("203.0.113.2")!)
        terrain.announce()
        dialogue.settle()
        try replace()
        let all = left.engine.sas.ofConnection("site")
        #expect(all.count == 3 && late.count == 1)
        let current = try #require(all.first { $0.established?.isReplaced == false })
        let known = try #require(current.mobility).peerAddresses
        #expect(known.contains(IPAddress("203.0.113.2")!))
        for datagram in late { dialogue.deliver(datagram, to: left) }
        #expect(current.mobility?.peerAddresses == known)
    }

    private func spis(of sa: IKESA) -> [UInt8] {
        var writer = ByteWriter(reserving: 16)
        writer.write(sa.initiatorSPI.rawValue)
        writer.write(sa.responderSPI.rawValue)
        return writer.bytes
    }

    /// A peer that tells by the IKE SA that it was in when it moved, and not again by the new one.
    @Test("an update that comes when this end has just replaced the IKE SA moves the new one")
    func updateAfterOwnRekey() throws {
        let (dialogue, terrain) = connect()
        let (left, right) = (dialogue.left, dialogue.right)
        terrain.moveLeft(to: ["198.51.100.7"])
        // The first sending is lost, and the right end's request arrives before the next.
        left.outbox = []
        terrain.left.insert(IPAddress("192.0.2.1")!)
        let old = spis(of: try #require(left.engine.sas.all().first))
        dialogue.handle(.rekeyIKESA(connection: "site"), at: right)
        dialogue.carry(from: right, to: left)
        dialogue.link = { datagram in
            let isRequest = datagram.bytes[19] & 0x20 == 0
            let isOfOld = Array(datagram.bytes[..<16]) == old
            let isFromLeft = datagram.local.address != IPAddress("192.0.2.2")
            // Nor does the Delete of the old one arrive before the update is sent again.
            return isRequest && isOfOld != isFromLeft ? [] : [datagram]
        }
        dialogue.advance(by: .seconds(8))
        #expect(packetsMeet(dialogue, "198.51.100.7", "192.0.2.2"))
        #expect(dialogue.agree())
    }

    @Test("an update by an IKE SA that vies with our own request settles which one stays")
    func updateByCandidate() throws {
        let (dialogue, terrain) = connect()
        let (left, right) = (dialogue.left, dialogue.right)
        dialogue.handle(.rekeyIKESA(connection: "site"), at: right)
        // The left end never sees that request.
        right.outbox = []
        dialogue.handle(.rekeyIKESA(connection: "site"), at: left)
        dialogue.carry(from: left, to: right)
        let answer = right.outbox
        right.outbox = []
        terrain.moveLeft(to: ["198.51.100.7"])
        for datagram in answer { dialogue.deliver(datagram, to: left) }
        #expect(left.outbox.contains { $0.bytes[18] == ExchangeType.informational.rawValue })
        dialogue.advance(by: .seconds(20))
        #expect(packetsMeet(dialogue, "198.51.100.7", "192.0.2.2"))
        #expect(dialogue.agree())
        #expect(left.count { if case .ikeSAEstablished = $0 { true } else { false } } == 1)
        #expect(left.failures.isEmpty && right.failures.isEmpty)
    }

    /// Shown by seed 940025054 of the simulator.
    @Test("an IKE SA that ends while its rekeying has no answer takes no update")
    func updateOfClosing() throws {
        let (dialogue, terrain) = connect()
        let (left, right) = (dialogue.left, dialogue.right)
        dialogue.handle(.rekeyIKESA(connection: "site"), at: right)
        right.outbox = []
        dialogue.handle(.terminate(connection: "site", child: nil), at: right)
        #expect(right.outbox.isEmpty)
        terrain.moveLeft(to: ["198.51.100.7"])
        dialogue.carry(from: left, to: right)
        let answer = try #require(right.outbox.last)
        // Empty, but for what encryption adds.
        #expect(answer.bytes[18] == ExchangeType.informational.rawValue && answer.bytes.count < 60)
    }
}
