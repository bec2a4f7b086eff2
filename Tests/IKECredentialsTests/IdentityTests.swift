import IKECredentials
import IPsecPrimitives
import Testing

@Suite("Identities")
struct IdentityTests {
    @Test(
        "text gives the kind that it looks like",
        arguments: [
            ("gateway.example.org", UInt8(2)), ("192.0.2.1", 1), ("2001:db8::1", 5),
            ("alice@example.org", 3), ("@#c0ffee", 11), ("keyid:site-7", 11), ("@gw.example", 2),
            ("fqdn:10.0.0.1", 2), ("email:bob@example.org", 3), ("ipv4:10.0.0.1", 1),
        ]
    )
    func kindOfText(text: String, wireType: UInt8) throws {
        let identity = try #require(Identity(text))
        #expect(identity.wireType == wireType)
        #expect(Identity(wireType: wireType, content: identity.wireContent) == identity)
    }

    @Test(
        "text that is no identity is refused",
        arguments: [
            "", "a b", "@", "@#xyz", "@#abc", "a@b@c", "@example@", "gw..example", "keyid:",
        ]
    )
    func refusedText(text: String) {
        #expect(Identity(text) == nil)
    }

    @Test(
        "names with characters that play tricks on a log are shown octet by octet",
        arguments: ["gw\u{9b}31m", "gw\u{202e}elpmaxe", "gw\u{2028}x", "gw\u{a0}x"]
    )
    func trickyNames(text: String) {
        for wireType: UInt8 in [2, 3] {
            let identity = Identity(wireType: wireType, content: Array(text.utf8))
            #expect(identity == .other(type: wireType, content: Array(text.utf8)))
            #expect(identity.description.utf8.allSatisfy { $0 < 0x80 })
        }
    }

    @Test("descriptions read back")
    func descriptionsReadBack() {
        let identities: [Identity] = [
            .keyID([1, 2, 3]), .keyID(Array("site-7".utf8)),
            .fullyQualifiedDomainName("gw.example"),
            .emailAddress("a@b.example"), .ipv4(IPv4Address(bits: 0x0a00_0001)),
        ]
        for identity in identities {
            #expect(Identity(identity.description) == identity)
        }
    }

    @Test("names compare without regard to case, key IDs do not")
    func caseOfNames() {
        #expect(Identity("GW.Example.org") == Identity("gw.example.ORG"))
        #expect(Identity("keyid:A") != Identity("keyid:a"))
        #expect(Identity("gw.example") != Identity("keyid:gw.example"))
    }

    @Test("content that does not fit its type is kept, never a trap")
    func unfitContent() {
        #expect(
            Identity(wireType: 1, content: [1, 2, 3]) == .other(type: 1, content: [1, 2, 3])
        )
        #expect(
            Identity(wireType: 2, content: [0x67, 0x0a]) == .other(type: 2, content: [0x67, 10])
        )
        #expect(Identity(wireType: 2, content: [0xff]) == .other(type: 2, content: [0xff]))
        #expect(Identity(wireType: 9, content: []) == .other(type: 9, content: []))
    }

    @Test("a pattern matches its identity or everybody")
    func patterns() throws {
        let gateway = try #require(Identity("gw.example"))
        #expect(IdentityPattern("%any")?.matches(gateway) == true)
        #expect(IdentityPattern("gw.EXAMPLE")?.matches(gateway) == true)
        #expect(IdentityPattern("other.example")?.matches(gateway) == false)
    }
}
