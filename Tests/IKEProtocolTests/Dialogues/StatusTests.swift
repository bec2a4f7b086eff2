import IKEProtocol
import IPsecPrimitives
import Testing

@Suite("What an IKE SA tells of itself")
struct StatusTests {
    @Test("what was agreed on besides the algorithms, at both ends and after a rekeying")
    func agreed() throws {
        var setup = Setup()
        setup.ikeProposals = ["aes256gcm16-prfsha256-x25519-ke1_mlkem768"]
        setup.ppk = ("key", "a postquantum secret", true)
        setup.mobility = MobilityPolicy(isOffered: true)
        setup.ikeLifetime = SALifetime(rekeyAfter: .seconds(60), expireAfter: .seconds(600))
        let dialogue = Dialogue(setup)
        for party in [dialogue.left, dialogue.right] {
            party.engine.useCrashSecret(SecretBytes(Array("secret of \(party.name)".utf8)))
        }
        dialogue.initiate()
        for rekeyings in 0...1 {
            #expect(dialogue.agree())
            for party in [dialogue.left, dialogue.right] {
                let sa = try #require(party.establishedIKESAs.first)
                #expect(sa.usesPPK && sa.fragmentSize == 1280 && sa.window == 8, "\(rekeyings)")
                // RFC 6023 §3: the responder tells of childless, and hears nothing of it.
                let words =
                    ["fragmentation", "intermediate", "downgrade-prevention"]
                    + (party === dialogue.left ? ["childless"] : [])
                    + ["ppk", "mobike", "crash-detection"]
                #expect(sa.extensions.filter { $0 != "redirect" } == words, "\(party.name)")
            }
            dialogue.advance(by: .seconds(62))
        }
        #expect(dialogue.left.count { if case .ikeSARekeyed = $0 { true } else { false } } > 0)
    }

    @Test("nothing is told that one end alone has")
    func plain() throws {
        var right = Setup().mirrored
        right.fragmentSize = nil
        right.signsFullTranscript = false
        right.childless = .never
        right.window = 1
        let dialogue = Dialogue(Setup(), right)
        dialogue.initiate()
        let left = try #require(dialogue.left.establishedIKESAs.first)
        #expect(!left.usesPPK && left.fragmentSize == nil && left.window == 1)
        #expect(left.extensions.allSatisfy { ["redirect", "mobike"].contains($0) })
    }

    @Test("a peer without the optional key: the keys are without it, though both ends know of it")
    func optionalKey() throws {
        var left = Setup()
        left.ppk = ("key", "a postquantum secret", false)
        var right = Setup().mirrored
        right.ppk = ("other", "another", false)
        let dialogue = Dialogue(left, right)
        dialogue.initiate()
        #expect(dialogue.agree())
        for party in [dialogue.left, dialogue.right] {
            let sa = try #require(party.establishedIKESAs.first)
            #expect(!sa.usesPPK && sa.extensions.contains("ppk"))
        }
    }

    @Test("cookies demanded, brought and shown are counted")
    func cookies() {
        var settings = EngineSettings()
        settings.cookieThreshold = 0
        settings.puzzleDifficulty = nil
        let dialogue = Dialogue(settings: settings)
        dialogue.initiate()
        let (left, right) = (dialogue.left.engine.counters, dialogue.right.engine.counters)
        #expect(dialogue.agree())
        #expect(right.cookiesGiven == 1 && right.cookiesReturned == 1 && right.cookiesShown == 0)
        #expect(left.cookiesShown == 1 && left.cookiesGiven == 0 && left.puzzlesWorkedOut == 0)
    }
}
