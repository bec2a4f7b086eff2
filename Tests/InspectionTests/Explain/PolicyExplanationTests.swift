import Configuration
import Inspection
import Testing

@Suite("A configuration in words")
struct PolicyExplanationTests {
    private func configuration(_ text: String) throws -> GatewayConfiguration {
        let result = GatewayConfiguration.read(Array(text.utf8), file: "a.yaml")
        return try #require(result.configuration)
    }

    @Test func manualKeysAreExplained() throws {
        let configuration = try configuration(
            """
            connections:
              radar:
                keys: manual
                local: 192.0.2.1
                remote: 192.0.2.2
                tunnels:
                  net:
                    local: 10.1.0.0/16
                    remote: 10.2.0.0/16
                    mode: tunnel
                    ah-proposals: sha256
                    lifetime-packets: 5000
                    in: {spi: 0x1000, integrity-key-file: /k/in}
                    out: {spi: 0x1001, integrity-key-file: /k/out}
            """
        )
        #expect(
            PolicyExplanation(configuration).text.contains(
                """
                Connection radar (line 2), manual keys
                  here  192.0.2.1
                  there 192.0.2.2
                  nothing is negotiated and no key is ever replaced; who records packets can send \
                them again
                  ESP always travels as IP protocol 50: no NAT may be between
                  Tunnel net (line 7)
                    its SAs are there as long as the gateway runs
                    AH sha256-noesn, SPIs 0x00001000 in and 0x00001001 out
                    keys in /k/in
                    keys out /k/out
                    after 5000 packets nothing passes any more
                """
            )
        )
    }

    @Test func everyKindOfPolicyIsExplained() throws {
        let configuration = try configuration(
            """
            gateway: {default-policy: discard}
            connections:
              branch:
                local: {address: 192.0.2.1, id: a.example}
                remote: {address: any, id: any}
                secret-file: /etc/cygnet/branch.secret
                ike-proposals: aes256gcm16-prfsha256-x25519
                encapsulation: udp
                liveness: off
                tunnels:
                  net:
                    local: [10.1.0.0/16, "2001:db8:1::/48"]
                    remote: [10.2.0.0/16, "2001:db8:2::/48"]
                    esp-proposals: aes128gcm16-esn
                    lifetime-packets: 1000
            policies:
              - bypass: {remote: 10.2.0.1, protocol: tcp, remote-port: 22}
              - discard: {local: 10.1.9.0/24}
            """
        )
        #expect(
            PolicyExplanation(configuration).text == """
                a.yaml is valid: 1 connection, 1 tunnel.

                What happens to a packet, in either direction; the first line that fits decides:
                  1. between any IPv4 address [tcp] here and 10.2.0.1/32[tcp/22] there
                     passes in clear, untouched (line 17)
                  2. between 10.1.9.0/24 here and any IPv4 address there
                     is dropped (line 18)
                  3. between 10.1.0.0/16 and 2001:db8:1::/48 here and 10.2.0.0/16 and \
                2001:db8:2::/48 there
                     is protected by tunnel branch/net, never in clear (line 11)
                  4. everything else
                     is dropped (default-policy: discard)

                Connection branch (line 3)
                  here  a.example, at 192.0.2.1
                  there whoever has the secret, at any address
                  both prove who they are by the secret in /etc/cygnet/branch.secret
                  ESP always travels in UDP
                  a silent peer is not asked whether it is alive
                  the IKE SA lives 4h; offered and accepted for it:
                    aes256gcm16-prfsha256-x25519
                  Tunnel net (line 11)
                    the peer brings it up
                    its keys live 1h or 1000 packets; offered and accepted for it:
                      aes128gcm16-esn

                Gateway
                  answers on every address, UDP ports 500 and 4500
                  policy-based tunnels pass through device cygnet0, routing table 4367
                  is controlled at /run/cygnet/control.sock

                """
        )
    }

    @Test func theReportSaysWhetherTheFileCanBeUsed() throws {
        let broken = GatewayConfiguration.read(Array("x: 1".utf8), file: "b.yaml")
        let report = CheckReport(broken, file: "b.yaml")
        #expect(!report.valid)
        #expect(report.policies == nil)
        #expect(report.findings.map(\.line) == [1, 1])
        #expect(report.findings.allSatisfy { $0.severity == "error" && !$0.hint.isEmpty })
    }

    @Test func whatIsRoutedIsExplainedBehindThePolicies() throws {
        let text = """
            connections:
              cloud:
                local: {address: 192.0.2.1, id: a.example}
                remote: {address: 192.0.2.2, id: b.example}
                secret-file: cloud.secret
                tunnels:
                  all:
                    interface: cloud1
                    addresses: 169.254.10.2/30
                    routes: 10.50.0.0/16
            """
        let result = GatewayConfiguration.read(Array(text.utf8), file: "a.yaml")
        let words = PolicyExplanation(try #require(result.configuration)).text
        #expect(
            words.contains(
                """
                  1. whatever the routing table sends to interface cloud1, between any IPv4 address \
                and any IPv6 address here and any IPv4 address and any IPv6 address there
                     is protected by tunnel cloud/all (line 7); what is routed elsewhere is not
                     the interface has 169.254.10.2/30
                     routed there with metric 100, and unreachable without it: 10.50.0.0/16
                  2. everything else
                     passes in clear, untouched (default-policy: bypass)
                """
            ),
            "\(words)"
        )
        let report = CheckReport(result, file: "a.yaml")
        #expect(report.policies == [])
        #expect(report.interfaces?.map(\.name) == ["cloud1"])
        #expect(report.interfaces?[0].tunnel == "cloud/all" && report.interfaces?[0].line == 7)
    }
}
