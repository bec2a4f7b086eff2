import IKECredentials
import IKEProtocol
import IPsecPrimitives
import Testing

private func address(_ text: String) -> IPAddress { IPAddress(text)! }

@Suite("Addresses of the inside")
struct InternalAddressTests {
    /// A client that sends everything through a gateway, which gives out addresses.
    private func dialogue(
        versions: [IPVersion]? = [.v4],
        pool: [String]? = ["10.9.0.5", "10.9.0.6", "2001:db8:9::5"],
        isRequired: Bool = false,
        children: [String] = ["net"],
        lifetime: SALifetime = .childDefault
    ) -> Dialogue {
        var left = Setup()
        left.children = [:]
        for (number, child) in children.enumerated() {
            left.children[child] = (
                "0.0.0.0/0 ::/0", "10.\(number + 1).0.0/16 2001:db8:\(number)::/48"
            )
        }
        left.childLifetime = lifetime
        left.adjustConnection = {
            $0.request = versions.map { InternalRequest(versions: $0, source: "left.yaml:7") }
        }
        var right = left.mirrored
        right.children = left.children.mapValues { ($0.1, "10.9.0.0/16 2001:db8:9::/48") }
        right.childLifetime = SALifetime(rekeyAfter: nil)
        right.adjustConnection = { connection in
            var settings = InternalSettings()
            settings.nameServers = [address("10.1.0.53")]
            settings.domains = ["in.example"]
            settings.networks = [IPPrefix("10.1.0.0/16")!]
            connection.assignment = pool.map {
                InternalAssignment(
                    addresses: $0.map(address),
                    settings: settings,
                    isRequired: isRequired,
                    source: "right.yaml:7"
                )
            }
        }
        return Dialogue(left, right)
    }

    private func received(_ party: Party) -> [([IPAddress], InternalSettings)] {
        party.reports.compactMap {
            if case .configurationReceived(let addresses, let settings) = $0.event {
                (addresses, settings)
            } else {
                nil
            }
        }
    }

    @Test("the peer's side shrinks to the address that it gets")
    func assigned() throws {
        let dialogue = dialogue()
        dialogue.initiate()
        #expect(dialogue.agree())
        #expect(
            dialogue.left.activeChild("net")?.localSelectors == Setup.selectors("10.9.0.5/32")
        )
        let (addresses, settings) = try #require(received(dialogue.left).first)
        #expect(addresses == [address("10.9.0.5")])
        #expect(settings.nameServers == [address("10.1.0.53")])
        #expect(settings.domains == ["in.example"])
        #expect(settings.networks == [IPPrefix("10.1.0.0/16")!])
        #expect(dialogue.right.count { $0 == .addressesAssigned(addresses) } == 1)
    }

    @Test("an address of each version that is asked for")
    func bothVersions() throws {
        let dialogue = dialogue(versions: [.v4, .v6])
        dialogue.initiate()
        #expect(dialogue.agree())
        let child = try #require(dialogue.left.activeChild("net"))
        #expect(child.localSelectors == Setup.selectors("10.9.0.5/32 2001:db8:9::5/128"))
    }

    @Test("further Child SAs and rekeyings keep the address and ask no more")
    func kept() throws {
        let dialogue = dialogue(
            children: ["net", "other"],
            lifetime: SALifetime(rekeyAfter: .seconds(100), jitterPercent: 0)
        )
        dialogue.initiate()
        dialogue.initiate("other")
        dialogue.advance(by: .seconds(250))
        #expect(dialogue.agree() && dialogue.agree(on: "other"))
        for child in dialogue.left.installed.values {
            #expect(child.localSelectors == Setup.selectors("10.9.0.5/32"))
        }
        #expect(received(dialogue.left).count == 1)
        #expect(dialogue.left.installed.count >= 4)
    }

    @Test("a gateway that gives nothing is no good to a client that needs an address")
    func noReply() {
        let dialogue = dialogue(pool: nil)
        dialogue.initiate()
        #expect(dialogue.left.present.isEmpty && dialogue.right.present.isEmpty)
        #expect(dialogue.left.failures.map(\.subject) == [.internalAddress])
        #expect(dialogue.left.failures.first?.source == "left.yaml:7")
        #expect(dialogue.left.establishedIKESAs.count == 1)
    }

    @Test("who must ask and does not hears FAILED_CP_REQUIRED, and the IKE SA stays")
    func required() {
        let dialogue = dialogue(versions: nil, isRequired: true)
        dialogue.initiate()
        #expect(dialogue.left.present.isEmpty)
        #expect(dialogue.left.failures.map(\.subject) == [.internalAddress])
        #expect(dialogue.right.failures.map(\.subject) == [.internalAddress])
        #expect(dialogue.left.establishedIKESAs.count == 1)
    }

    @Test("a version that is not given out is ignored, and none of what was asked is an error")
    func otherVersion() {
        let dialogue = dialogue(versions: [.v6], pool: ["10.9.0.5"])
        dialogue.initiate()
        #expect(dialogue.left.present.isEmpty)
        #expect(dialogue.left.failures.map(\.subject) == [.internalAddress])
    }

    private func client(_ name: String, _ address: String) -> Setup {
        var setup = Setup()
        setup.localAddress = address
        setup.localIdentity = name
        setup.children = ["net": ("0.0.0.0/0", "10.1.0.0/16")]
        setup.adjustConnection = {
            $0.request = InternalRequest(versions: [.v4], source: "client.yaml:7")
        }
        return setup
    }

    @Test("no address free is INTERNAL_ADDRESS_FAILURE, and when one is, the next gets it")
    func exhausted() {
        var gateway = Setup().mirrored
        gateway.children = ["net": ("10.1.0.0/16", "10.9.0.0/16")]
        gateway.adjustConnection = { connection in
            connection.remoteAddress = nil
            connection.remotePrefixes = []
            connection.remoteIdentity = .any
            connection.assignment = InternalAssignment(
                addresses: [address("10.9.0.5")],
                source: "right.yaml:7"
            )
        }
        let dialogue = Dialogue(client("third.example", "192.0.2.1"), gateway)
        dialogue.configureSecretForAnyone(at: dialogue.right, gateway)
        dialogue.initiate()
        #expect(dialogue.agree())
        let second = Party("fourth", "192.0.2.4", settings: EngineSettings(), seed: 77)
        dialogue.configure(second, client("fourth.example", "192.0.2.4"))
        func connect() {
            dialogue.begin(second)
            for _ in 0..<4 {
                dialogue.carry(from: second, to: dialogue.right)
                dialogue.carry(from: dialogue.right, to: second)
            }
        }
        connect()
        #expect(second.present.isEmpty)
        #expect(second.failures.map(\.subject) == [.internalAddress])
        #expect(dialogue.right.failures.map(\.subject) == [.internalAddress])
        dialogue.handle(.terminate(connection: "site", child: nil), at: dialogue.left)
        dialogue.settle()
        connect()
        #expect(second.activeChild("net")?.localSelectors == Setup.selectors("10.9.0.5/32"))
    }
}
