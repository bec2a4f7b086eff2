import IPsecPrimitives
import Testing

@testable import Configuration

@Suite("Limits on traffic")
struct TrafficTests {
    /// The gateway's traffic, and lines for the connection and the tunnel.
    private static func text(
        _ gateway: String?,
        connection: String? = nil,
        tunnel: String? = nil,
        workers: String = "1"
    ) -> String {
        """
        gateway:
          workers: \(workers)
          \(gateway.map { "traffic: \($0)" } ?? "log-level: info")
        connections:
          branch:
            local: {address: 192.0.2.1, id: a.example}
            remote: {address: 192.0.2.2, id: b.example}
            secret-file: branch.secret
            \(connection.map { "traffic: \($0)" } ?? "keepalive: 20s")
            tunnels:
              net:
                local: 10.1.0.0/16
                remote: 10.2.0.0/16
                \(tunnel ?? "lifetime: 1h")
              other:
                local: 10.3.0.0/16
                remote: 10.2.0.0/16
        """
    }

    @Test func everythingIsRead() throws {
        let result = read(
            TrafficTests.text(
                "{rate: 1.5Gbit, classes: {other: {weight: 4}, voice: {match: [{dscp: [ef, 10], "
                    + "protocol: udp, ports: [5060, 16384-32767]}, {local: 10.1.0.0/24, remote: "
                    + "10.2.0.1}], priority: 1, rate: 200Mbit, queue: 30ms}}}",
                connection: "{rate: 64 kbit/s, weight: 7, classes: {call: {match: {dscp: 46}}}}"
            )
        )
        #expect(result.diagnostics == [])
        let configuration = try #require(result.configuration)
        let traffic = try #require(configuration.settings.traffic)
        #expect(traffic.rate.value == 1_500_000_000)
        let voice = try #require(traffic.classes?.last)
        #expect(voice.name.value == "voice" && voice.priority == 1 && voice.weight == 1)
        #expect(voice.rate.value == 200_000_000 && voice.queue == .milliseconds(30))
        #expect(voice.matches.count == 2)
        #expect(configuration.trafficMarks.isEmpty && configuration.firstTrafficMark == nil)
        #expect(voice.matches[0].codePoints == [46, 10] && voice.matches[0].protocols == [17])
        #expect(voice.matches[0].ports == [PortRange(5060), PortRange(16_384, through: 32_767)])
        #expect(voice.matches[1].local.map(\.description) == ["10.1.0.0/24"])
        let own = try #require(configuration.connections[0].traffic)
        #expect(own.rate.value == 64_000 && own.weight.value == 7)
        // What no class takes comes last, named or not.
        #expect(configuration.trafficClasses(nil).map(\.name.value) == ["voice", "other"])
        #expect(configuration.trafficClasses(own).map(\.name.value) == ["call", "default"])
    }

    @Test func marksAreReadAndEachIsOne() throws {
        let result = read(
            TrafficTests.text(
                "{rate: 1Gbit, classes: {a: {match: {mark: 16}}, b: {match: [{mark: [0x20/0xf0, 0x10]}, "
                    + "{mark: 0x10/0xffff}]}}}",
                connection: "{classes: {c: {match: {mark: 0x30/0xf0, dscp: ef}}}}"
            )
        )
        #expect(result.diagnostics == [])
        let configuration = try #require(result.configuration)
        #expect(
            configuration.trafficMarks == [
                FirewallMark(value: 0x10, mask: 0xffff), FirewallMark(value: 0x20, mask: 0xf0),
                FirewallMark(value: 0x30, mask: 0xf0),
            ]
        )
        let location = try #require(configuration.firstTrafficMark)
        #expect(location.line == 3)
        let marks = configuration.settings.traffic?.classes?.flatMap(\.matches).flatMap(\.marks)
        #expect(marks?.map(\.value.description) == ["0x10", "0x20/0xf0", "0x10", "0x10/0xffff"])
        let mark = FirewallMark(value: 0x20, mask: 0xf0)
        #expect(mark.covers(0xc167_012f, beside: 0xffff_0000) && !mark.covers(0x30, beside: 0))
        let plain = FirewallMark(value: 0x20)
        #expect(plain.covers(0xc167_0020, beside: 0xffff_0000))
        #expect(!plain.covers(0x21, beside: 0xffff_0000) && !plain.covers(0, beside: 0xffff_0000))
    }

    @Test(
        arguments: [
            ("64kbit", 64_000), ("2.5Gbit", 2_500_000_000), ("100Mbit/s", 100_000_000),
            ("1_000Mbit", 1_000_000_000), ("96000bit", 96_000), ("0.5 Mbit", 500_000),
        ] as [(String, UInt64)]
    )
    func rates(text: String, value: UInt64) throws {
        #expect(try RateText.parse(TrafficConfiguration.rates)(text) == value)
        // What is written can be read again.
        #expect(try RateText.parse(TrafficConfiguration.rates)(value.rateText) == value)
    }

    @Test(
        arguments: [
            "100", "Mbit", "100mbit", "1.Mbit", ".5Mbit", "1.2.3Mbit", "-1Mbit", "63kbit",
            "401Gbit", "99999999999999999999Gbit", "1.0000000001Gbit", "",
        ]
    )
    func whatIsNoRate(text: String) {
        #expect(throws: Complaint.self) { try RateText.parse(TrafficConfiguration.rates)(text) }
    }

    @Test func everyNameOfACodePoint() {
        for (name, value) in CodePoint.names {
            #expect(CodePoint.value(of: name) == value)
            #expect(CodePoint.value(of: CodePoint.name(of: value)) == value)
        }
        // RFC 2474 §4.2.2, and those of RFC 4594's figure 3.
        for (name, bits) in [
            ("cs6", 0b110_000), ("cs1", 0b001_000), ("af43", 0b100_110), ("af11", 0b001_010),
            ("ef", 0b101_110), ("default", 0),
        ] as [(String, UInt8)] {
            #expect(CodePoint.value(of: name) == bits)
        }
        #expect(CodePoint.value(of: "64") == nil && CodePoint.value(of: "+1") == nil)
    }

    static let mistakes: [Expected] = [
        Expected(
            text("{rate: fast}"),
            3,
            19,
            "\"fast\" is not a rate",
            hint: "as in 100Mbit"
        ),
        Expected(
            text("{rate: 1kbit}"),
            3,
            19,
            "out of range",
            hint: "64kbit to 400Gbit"
        ),
        Expected(
            text("{rate: 1Gbit, classes: {v: {match: {dscp: eff}}}}"),
            3,
            54,
            "\"eff\" is not a DSCP",
            hint: "did you mean ef?"
        ),
        Expected(
            text("{rate: 1Gbit, classes: {v: {match: {}}}}"),
            3,
            47,
            "names nothing",
            hint: "a class for everything else has no match"
        ),
        Expected(
            text("{rate: 1Gbit, classes: {a: {}, b: {}}}"),
            3,
            43,
            "\"a\" and \"b\" of gateway both have no match",
            hint: "write `match:` in one"
        ),
        Expected(
            text("{rate: 1Gbit, classes: {v: {match: {local: \"10.0.0.0/8[tcp]\"}}}}"),
            3,
            55,
            "names a protocol",
            hint: "as keys of the match"
        ),
        Expected(
            text("{rate: 1Gbit, classes: {v: {match: {ports: any}}}}"),
            3,
            55,
            "is no port",
            hint: "as in 5060"
        ),
        Expected(
            text("{rate: 1Gbit, classes: {v: {match: {mark: 0x1g}}}}"),
            3,
            54,
            "\"0x1g\" is not a firewall mark",
            hint: "as in 16 or 0x10"
        ),
        Expected(
            text("{rate: 1Gbit, classes: {v: {match: {mark: 1/2/3}}}}"),
            3,
            54,
            "is not a firewall mark",
            hint: "as in 0x20/0xf0"
        ),
        Expected(
            text("{rate: 1Gbit, classes: {v: {match: {mark: 0/0xf0}}}}"),
            3,
            54,
            "packets without a mark",
            hint: "a class without match"
        ),
        Expected(
            text("{rate: 1Gbit, classes: {v: {match: {mark: 0x31/0xf0}}}}"),
            3,
            54,
            "bits that its mask does not cover",
            hint: "write 0x30/0xf0"
        ),
        Expected(
            text("{rate: 1Gbit, classes: {v: {match: {mark: 0x10010}}}}"),
            3,
            54,
            "mark 0x10010 asks for bits that are the gateway's own (firewall-mask: 0xffff0000)",
            hint: "0xffff being free"
        ),
        Expected(
            text("{rate: 1Gbit, classes: {v: {match: {mark: 16/0xffffffff}}}}"),
            3,
            54,
            "mark 0x10/0xffffffff asks for bits",
            hint: "another firewall-mark and firewall-mask"
        ),
        Expected(
            text(
                "{rate: 1Gbit, classes: {v: {match: {mark: 0x10/0xf0}}}}",
                connection: "{classes: {w: {match: {mark: [0x20, 0x1f]}}}}"
            ),
            9,
            50,
            "can be 0x1f and 0x10/0xf0 (line 3) at once",
            hint: "bits that both masks cover"
        ),
        Expected(
            text(
                "{rate: 1Gbit, classes: {v: {match: {mark: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}}}}",
                connection: "{classes: {w: {match: {mark: [11, 12, 13, 14, 15, 1, 16]}}}}"
            ),
            9,
            67,
            "more than 15 marks",
            hint: "0x10/0xf0 for 0x10 to 0x1f"
        ),
        Expected(
            text("{rate: 1Gbit, weight: 2}"),
            3,
            26,
            "unknown key \"weight\"",
            hint: "rate, classes"
        ),
        Expected(
            text("{rate: 1Gbit}", workers: "2"),
            3,
            19,
            "several workers send each on their own",
            hint: "`workers: 1`"
        ),
        Expected(
            text(nil, connection: "{rate: 1Gbit}", workers: "auto"),
            9,
            21,
            "the 2 tunnels of connection \"branch\" may belong to several workers",
            hint: "traffic at each tunnel"
        ),
        Expected(
            text(nil, connection: "{classes: {v: {match: {dscp: ef}}}}"),
            9,
            14,
            "has no rate, nor has the gateway",
            hint: "`rate: 100Mbit`"
        ),
        Expected(
            text(nil, connection: "{rate: 1Gbit}", tunnel: "traffic: {rate: 1Mbit}"),
            14,
            25,
            "it is not clear which limit counts",
            hint: "or at each tunnel"
        ),
    ]

    @Test(arguments: mistakes) func mistakesAreTold(expected: Expected) {
        let result = read(expected.text)
        #expect(expected.isFound(in: result), "\(result.diagnostics)")
        #expect(result.configuration == nil)
    }

    static let doubts: [Expected] = [
        Expected(
            text("{classes: {v: {match: {dscp: ef}}}}"),
            3,
            12,
            "traffic classes without any rate",
            hint: "a little less than the link carries"
        ),
        Expected(
            text("{rate: 1Mbit}", connection: "{rate: 2Mbit}"),
            9,
            21,
            "connection \"branch\" may have 2Mbit, more than the 1Mbit of the gateway",
            hint: "lower it"
        ),
        Expected(
            text("{rate: 1Mbit, classes: {v: {rate: 2Mbit}}}"),
            3,
            46,
            "traffic class \"v\" may have 2Mbit, more than the 1Mbit of gateway",
            hint: "lower it"
        ),
        Expected(
            text(nil, connection: "{rate: 1Mbit, weight: 2}"),
            9,
            36,
            "is a share of the gateway's rate",
            hint: "remove the weight"
        ),
    ]

    @Test(arguments: doubts) func doubtsAreTold(expected: Expected) {
        let result = read(expected.text)
        #expect(expected.isFound(in: result), "\(result.diagnostics)")
        #expect(result.configuration != nil)
    }

    @Test func pairsOfSeveralWorkers() {
        let lines = "resources: 2\n        traffic: {rate: 1Mbit}"
        let result = read(TrafficTests.text(nil, tunnel: lines, workers: "2"))
        #expect(result.errors.contains { $0.message.contains("belong to several workers") })
        #expect(read(TrafficTests.text(nil, tunnel: lines)).configuration != nil)
    }
}
