import Configuration
import Testing

extension DiagnosticTests {
    static let gateway: [Expected] = [
        Expected(
            Sample.top("gateway: {interface: a-name-too-long-for-it}"),
            10,
            22,
            "device's name",
            hint: "1 to 15"
        ),
        Expected(
            Sample.top("gateway: {control-socket: x.sock}"),
            10,
            27,
            "a socket's path",
            hint: "absolute"
        ),
        Expected(
            Sample.top("gateway: {default-policy: allow}"),
            10,
            27,
            "not one of its values",
            hint: "bypass or discard"
        ),
        Expected(
            Sample.top("gateway: {cookie-threshold: 9, half-open-limit: 8}"),
            10,
            29,
            "above half-open-limit",
            hint: "below"
        ),
        Expected(
            Sample.top(
                "gateway: {defence: {half-open-per-address: 9, half-open-per-network: 8}}"
            ),
            10,
            70,
            "is below half-open-per-address",
            hint: "at least as many"
        ),
        Expected(
            Sample.top("gateway: {defence: {puzzle-difficulty: 7}}"),
            10,
            40,
            "out of range",
            hint: "8 to 30, or off"
        ),
        Expected(
            Sample.top("gateway: {routing-table: 254}"),
            10,
            26,
            "the system's own",
            hint: "4367"
        ),
        Expected(
            Sample.top("gateway: {firewall-mark: 0xg}"),
            10,
            26,
            "not a whole number",
            hint: "1 to"
        ),
        Expected(
            Sample.top("gateway: {firewall-mark: 1}"),
            10,
            26,
            "does not cover",
            hint: "mask"
        ),
        Expected(
            Sample.top("gateway: {listen: {ike-port: 4500}}"),
            10,
            19,
            "are both 4500",
            hint: "two ports"
        ),
        Expected(
            Sample.top("gateway: {listen: {ike-port: 70000}}"),
            10,
            30,
            "out of range",
            hint: "1 to 65535"
        ),
        Expected(
            Sample.top("gateway: {listen: {addresses: [192.0.2.1, 192.0.2.1]}}"),
            10,
            43,
            "stands twice",
            hint: "remove one"
        ),
        Expected(Sample.top("gateway: {workers: 65}"), 10, 20, "65", hint: "1 to 64, or auto"),
        Expected(Sample.top("gateway: {workers: 0}"), 10, 20, "0", hint: "1 to 64, or auto"),
        Expected(
            Sample.top("gateway: {worker-cpus: [0, 1, 0]}"),
            10,
            31,
            "0 stands twice",
            hint: "two workers on one processor"
        ),
        Expected(
            Sample.top("gateway: {workers: 1, worker-cpus: [0, 1]}"),
            10,
            36,
            "2 processors for 1 worker",
            hint: "leave workers out"
        ),
        Expected(Sample.top("gateway: {worker-cpus: 1024}"), 10, 24, "1024", hint: "0 to 1023"),
        Expected(Sample.top("gateway: {cipher-threads: 64}"), 10, 27, "64", hint: "0 to 63"),
        Expected(Sample.top("gateway: {mtu: tiny}"), 10, 16, "not a whole", hint: "or auto"),
    ]

    static let policies: [Expected] = [
        Expected(
            Sample.top("policies: {bypass: {}}"),
            10,
            11,
            "is a mapping, but its entries",
            hint: "- bypass:"
        ),
        Expected(
            Sample.top("policies:\n  - drop: {}"),
            11,
            5,
            "unknown action \"drop\"",
            hint: "- discard"
        ),
        Expected(
            Sample.top("policies:\n  - bypas: {}"),
            11,
            5,
            "unknown action",
            hint: "\"bypass\""
        ),
        Expected(
            Sample.top("policies:\n  - {bypass: {}, discard: {}}"),
            11,
            5,
            "this one has 2",
            hint: "- bypass"
        ),
        Expected(Sample.top("policies:\n  - x"), 11, 5, "is a single value", hint: "key: value"),
        Expected(
            Sample.top("policies:\n  - protect: branch/nat"),
            11,
            14,
            "no tunnel \"branch/nat\"",
            hint: "\"branch/net\""
        ),
        Expected(
            Sample.top("policies:\n  - protect: {}"),
            11,
            14,
            "is a mapping",
            hint: "branch/net"
        ),
        Expected(
            Sample.top("policies:\n  - protect: branch/net\n  - protect: branch/net"),
            12,
            5,
            "stands twice in policies",
            hint: "line 11"
        ),
        Expected(
            Sample.top("policies:\n  - bypass: {remote-port: 22}"),
            11,
            27,
            "without a protocol",
            hint: "protocol: tcp"
        ),
        Expected(
            Sample.top("policies:\n  - bypass: {protocol: tcp, remote-port: ssh}"),
            11,
            42,
            "\"ssh\" is not a port",
            hint: "443"
        ),
        Expected(
            Sample.top("policies:\n  - bypass: {protocol: tcp, local: \"10.0.0.0/8[udp]\"}"),
            11,
            36,
            "and so does \"protocol\"",
            hint: "one place"
        ),
        Expected(
            Sample.top("policies:\n  - bypass: {local: 10.0.0.0/8, remote: \"::/0\"}"),
            11,
            5,
            "covers nothing",
            hint: "one IP version"
        ),
        Expected(
            Sample.top("policies:\n  - discard: {remote: 10.0.0.0/8}"),
            7,
            7,
            "tunnel \"branch/net\" is never reached: the discard on line 11",
            hint: "move it up"
        ),
        Expected(
            Sample.top("policies:\n  - bypass: {dscp: 1}"),
            11,
            14,
            "unknown key \"dscp\"",
            hint: "known keys are local"
        ),
    ]

    @Test func connectionsThatCannotBeToldApart() {
        let text =
            Sample.tenLines
            + Sample.tenLines.split(separator: "\n").dropFirst()
            .map { "\n\($0)" }.joined()
            .replacing("branch", with: "other").replacing("10.2.", with: "10.3.")
        let result = read(text)
        #expect(
            result.diagnostics.map(\.description) == [
                """
                a.yaml:10:3: warning: connection "other" has the addresses and identities of \
                "branch", which answers for both
                    hint: put the tunnels into one connection, or give the ends other ids
                """
            ]
        )
        #expect(result.configuration != nil)
    }

    @Test func everyErrorIsToldAtOnceInOrder() {
        let text = Sample.tenLines
            .replacing("address: 192.0.2.1", with: "adress: 192.0.2.1")
            .replacing("secret-file", with: "secret")
            .replacing("10.1.0.0/16", with: "10.1.0.0/99")
        let result = read(text + "\ngateway: {mtu: 0}\npolicies: 7")
        #expect(result.configuration == nil)
        #expect(result.errors.map(\.location.line) == [3, 3, 5, 8, 10, 11])
    }

    @Test func aFloodOfErrorsIsCut() {
        let keys = (0..<1000).map { "zz\($0): 1" }.joined(separator: "\n")
        #expect(read(keys).diagnostics.count == 100)
    }
}
