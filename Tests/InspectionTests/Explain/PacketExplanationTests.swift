import Configuration
import IPsecPrimitives
import Inspection
import Testing

@Suite("A packet explained")
struct PacketExplanationTests {
    private static let file = """
        gateway: {default-policy: discard}
        connections:
          branch:
            local: {address: 192.0.2.1, id: a.example}
            remote: {address: 198.51.100.1, id: b.example}
            secret-file: /etc/cygnet/branch.secret
            tunnels:
              net:
                local: 10.1.0.0/16
                remote: 10.2.0.0/16
              voice:
                local: 10.5.0.0/16
                remote: 10.6.0.0/16
                start: by-hand
        policies:
          - bypass: {remote: 10.2.0.1, protocol: tcp, remote-port: 22}
          - discard: {local: 10.1.9.0/24}
          - protect: branch/net
          - bypass: {local: 10.7.0.0/16, remote: 10.8.0.0/16, protocol: icmp}
        """

    private func explain(
        _ source: String,
        _ destination: String,
        ipProtocol: UInt8? = nil,
        sourcePort: UInt16? = nil,
        destinationPort: UInt16? = nil,
        icmpType: UInt8? = nil
    ) throws -> (explanation: PacketExplanation, text: String) {
        let result = GatewayConfiguration.read(
            Array(PacketExplanationTests.file.utf8),
            file: "a.yaml"
        )
        let question = try PacketQuestion(
            source: #require(IPAddress(source)),
            destination: #require(IPAddress(destination)),
            ipProtocol: ipProtocol,
            sourcePort: sourcePort,
            destinationPort: destinationPort,
            icmpType: icmpType
        )
        let explanation = PacketExplanation(question, in: try #require(result.configuration))
        return (explanation, explanation.text(of: question))
    }

    /// Told as the packet path would tell it, from each word of a match.
    @Test func theClassInWhichItWaits() throws {
        let lines = """
            gateway: {default-policy: discard, traffic: {rate: 1Gbit, classes: {
              marked: {match: {mark: [0x10, 0x20/0xf0], protocol: udp}},
              voice: {match: [{dscp: ef, ports: 5000-5010},
                {local: 10.1.7.0/24, remote: 10.2.7.0/24}]},
              rest: {}}}, workers: 1}
            """
        let text = PacketExplanationTests.file.replacing(
            "gateway: {default-policy: discard}",
            with: lines
        )
        let result = GatewayConfiguration.read(Array(text.utf8), file: "a.yaml")
        let configuration = try #require(result.configuration, "\(result.diagnostics)")
        func name(
            _ host: String = "10.1.0.5",
            _ target: String = "10.2.0.9",
            port: UInt16? = nil,
            ipProtocol: UInt8 = 17,
            codePoint: UInt8 = 0,
            mark: UInt32 = 0
        ) throws -> String? {
            let question = try PacketQuestion(
                source: #require(IPAddress(host)),
                destination: #require(IPAddress(target)),
                ipProtocol: ipProtocol,
                destinationPort: port,
                codePoint: codePoint,
                mark: mark
            )
            let explanation = PacketExplanation(question, in: configuration)
            let prefix = "it waits for its turn in traffic class "
            #expect(!explanation.arriving.consequences.contains { $0.hasPrefix(prefix) })
            return explanation.leaving.consequences.first { $0.hasPrefix(prefix) }
                .map { String($0.dropFirst(prefix.count)) }
        }
        #expect(try name() == "rest" && name(mark: 0x10) == "marked")
        #expect(try name(mark: 0x2f) == "marked" && name(mark: 0x11) == "rest")
        #expect(
            try name(mark: 0xc166_0010) == "marked" && name(ipProtocol: 6, mark: 0x10) == "rest"
        )
        #expect(try name(port: 5010, codePoint: 46) == "voice")
        #expect(try name(port: 5011, codePoint: 46) == "rest" && name(port: 5010) == "rest")
        #expect(try name("10.1.7.1", "10.2.7.1") == "voice" && name("10.1.7.1") == "rest")
        // Nothing waits in clear.
        #expect(try name("10.7.0.1", "10.8.0.1", ipProtocol: 1) == nil)
    }

    @Test func theTunnelIsNamedAndWhatWasPassedOver() throws {
        let (explanation, text) = try explain(
            "10.1.0.5",
            "10.2.0.1",
            ipProtocol: 6,
            destinationPort: 443
        )
        #expect(
            text == """
                tcp from 10.1.0.5 port 50000 to 10.2.0.1 port 443
                  assumed: source port 50000; --source-port says another

                Leaving, with 10.1.0.5 on this side:
                  policy 3 decides (line 18): between 10.1.0.0/16 here and 10.2.0.0/16 there
                  it is protected by tunnel branch/net (line 8), never sent in clear
                  while the tunnel is not up, it is held and brings the tunnel up
                  not policy 1 (line 16): it takes 10.2.0.1/32[tcp/22] there only

                Arriving, with 10.2.0.1 on this side:
                  no policy covers it: default-policy decides (discard)
                  it is dropped

                """
        )
        #expect(explanation.leaving.action == "protect")
        #expect(explanation.leaving.tunnel == "branch/net")
        #expect(explanation.leaving.order == 3 && explanation.leaving.line == 18)
        #expect(explanation.leaving.passedOver.map(\.order) == [1])
        #expect(explanation.arriving.action == "discard" && explanation.arriving.order == nil)
    }

    @Test func theFirstPolicyThatFitsDecides() throws {
        let ssh = try explain("10.1.9.5", "10.2.0.1", ipProtocol: 6, destinationPort: 22)
        #expect(ssh.explanation.leaving.action == "bypass" && ssh.explanation.leaving.order == 1)
        let web = try explain("10.1.9.5", "10.2.0.1", ipProtocol: 6, destinationPort: 80)
        #expect(web.explanation.leaving.action == "discard" && web.explanation.leaving.order == 2)
        // What comes back is the same policy's.
        let back = try explain(
            "10.2.0.1",
            "10.1.0.5",
            ipProtocol: 6,
            sourcePort: 22,
            destinationPort: 40_000
        )
        #expect(back.explanation.arriving.action == "bypass")
        #expect(back.explanation.arriving.order == 1)
        let voice = try explain("10.6.0.1", "10.5.0.1", ipProtocol: 17, destinationPort: 5060)
        #expect(voice.explanation.arriving.tunnel == "branch/voice")
        #expect(voice.explanation.arriving.consequences.last?.contains("in clear") == true)
    }

    @Test func aProtocolThatWasNotGivenIsAskedFor() throws {
        let (explanation, text) = try explain("10.7.0.1", "10.8.0.1")
        #expect(explanation.leaving.action == "discard")
        #expect(explanation.leaving.passedOver.map(\.reason) == ["it takes icmp only"])
        #expect(text.contains("hint: policies tell protocols apart here: --protocol tcp asks"))
        let echo = try explain("10.7.0.1", "10.8.0.1", ipProtocol: 1, icmpType: 8)
        #expect(echo.explanation.leaving.action == "bypass")
        #expect(echo.text.hasPrefix("icmp type 8 code 0 from 10.7.0.1 to 10.8.0.1\n"))
    }

    @Test func whatIsRoutedNeedsNoPolicy() throws {
        let file = """
            connections:
              cloud:
                local: {address: 192.0.2.1, id: a.example}
                remote: {address: 198.51.100.1, id: b.example}
                secret-file: /etc/cygnet/cloud.secret
                tunnels:
                  all:
                    interface: cloud0
                    routes: 10.50.0.0/16
            """
        let configuration = try #require(
            GatewayConfiguration.read(Array(file.utf8), file: "a.yaml").configuration
        )
        func explain(_ destination: String) throws -> String {
            let question = try PacketQuestion(
                source: #require(IPAddress("10.1.0.5")),
                destination: #require(IPAddress(destination))
            )
            return PacketExplanation(question, in: configuration).text(of: question)
        }
        let line = "  unless interface cloud0 has it: by route it is tunnel cloud/all's (line 7)"
        let routed = try explain("10.50.0.1")
        #expect(
            routed.contains(line + ", and the configuration routes 10.50.0.0/16 there\n")
        )
        #expect(routed.contains("no policy covers it"))
        #expect(try explain("10.60.0.1").contains(line + "\n"))
    }

    @Test func whatIsNoPacketIsRefused() throws {
        let (v4, v6) = try (#require(IPAddress("10.1.0.1")), #require(IPAddress("2001:db8::1")))
        func objection(
            _ destination: IPAddress,
            ipProtocol: UInt8? = nil,
            destinationPort: UInt16? = nil,
            icmpType: UInt8? = nil,
            icmpCode: UInt8? = nil
        ) -> String? {
            do throws(PacketQuestion.Objection) {
                _ = try PacketQuestion(
                    source: v4,
                    destination: destination,
                    ipProtocol: ipProtocol,
                    destinationPort: destinationPort,
                    icmpType: icmpType,
                    icmpCode: icmpCode
                )
                return nil
            } catch {
                return error.text
            }
        }
        #expect(objection(v6) == "10.1.0.1 and 2001:db8::1 are addresses of two IP versions")
        #expect(objection(v4, destinationPort: 80) == "ports of which protocol?")
        #expect(
            objection(v4, ipProtocol: 47, destinationPort: 80) == "a packet of gre has no ports"
        )
        #expect(
            objection(v4, ipProtocol: 6, icmpType: 8) == "only ICMP and Mobility Headers have types"
        )
        #expect(
            objection(v4, ipProtocol: 135, icmpType: 5, icmpCode: 1)
                == "only ICMP has types and codes"
        )
        #expect(objection(v4, ipProtocol: 135, icmpType: 5) == nil)
        #expect(objection(v4, ipProtocol: 1, icmpCode: 8) == "a code of which type?")
        #expect(objection(v4, ipProtocol: 1, icmpType: 8) == nil)
    }
}
