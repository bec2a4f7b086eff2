import Configuration
import Testing

@Suite("What is wrong, where, and what would be right")
struct DiagnosticTests {
    static let structure: [Expected] = [
        Expected("", 1, 1, "the configuration is empty", hint: "connections:"),
        Expected("gateway:\n", 1, 1, "has no \"connections\"", hint: "connections:"),
        Expected("connections:\n", 1, 13, "has 0 entries", hint: "1 to"),
        Expected("connections: x", 1, 14, "is a single value", hint: "key: value"),
        Expected("- a", 1, 1, "the configuration is a list", hint: "key: value"),
        Expected(Sample.top("gatway: {}"), 10, 1, "unknown key \"gatway\"", hint: "\"gateway\""),
        Expected(Sample.top("x: {}"), 10, 1, "unknown key \"x\"", hint: "gateway, connections"),
        Expected(
            Sample.top("connections: {}"),
            10,
            1,
            "\"connections\" stands twice",
            hint: "line 1"
        ),
        Expected(
            Sample.tenLines.replacing("  branch:", with: "  b/c:"),
            2,
            3,
            "cannot be a connection",
            hint: "letters"
        ),
        Expected(
            Sample.tenLines.replacing("      net:", with: "      -net:"),
            7,
            7,
            "cannot be a tunnel",
            hint: "letters"
        ),
        Expected(
            Sample.connection("liveness: {a: b}"),
            6,
            15,
            "\"liveness\" in connection \"branch\" is "
                + "a mapping",
            hint: "single value"
        ),
        Expected(Sample.connection("liveness:"), 6, 14, "is nothing", hint: "single value"),
        Expected("connections: [", 2, 1, "not YAML", hint: "indentation"),
        Expected("a: b\n c: d", 2, 3, "not YAML", hint: "indentation"),
        Expected("--- \na: 1\n--- \nb: 2", 3, 1, "a second document", hint: "---"),
        Expected("connections: &x {}", 1, 14, "anchor", hint: "quotes"),
        Expected("connections: *x", 1, 14, "alias", hint: "quotes"),
        Expected("connections: !!map {}", 1, 14, "tag", hint: "remove"),
        Expected("? [a]\n: b", 1, 3, "a key is a single word", hint: "key: value"),
        Expected(
            String(repeating: "[", count: 18),
            1,
            18,
            "nested too deeply",
            hint: "16 levels"
        ),
    ]

    static let connection: [Expected] = [
        Expected("connections: {b: {}}", 1, 18, "has no \"local\"", hint: "a.example"),
        Expected("connections: {b: {}}", 1, 18, "has no \"remote\"", hint: "b.example"),
        Expected("connections: {b: {}}", 1, 18, "has no \"secret-file\"", hint: "b.secret"),
        Expected("connections: {b: {}}", 1, 18, "has no \"tunnels\"", hint: "networks"),
        Expected(Sample.connection("psk: x"), 6, 5, "unknown key \"psk\"", hint: "secret-file"),
        Expected(
            Sample.connection("Liveness: 5s"),
            6,
            5,
            "unknown key \"Liveness\"",
            hint: "\"liveness\""
        ),
        Expected(
            Sample.connection("ike_lifetime: 5s"),
            6,
            5,
            "unknown key",
            hint: "\"ike-lifetime\""
        ),
        Expected(
            Sample.tenLines.replacing("address: 192.0.2.1,", with: "address: 192.0.2,"),
            3,
            22,
            "\"192.0.2\" is not an address",
            hint: "2001:db8::1"
        ),
        Expected(
            Sample.tenLines.replacing("address: 192.0.2.1,", with: "address: 0.0.0.0,"),
            3,
            22,
            "no address",
            hint: "any"
        ),
        Expected(
            Sample.tenLines.replacing("address: 192.0.2.1,", with: "address: 224.0.0.1,"),
            3,
            22,
            "multicast",
            hint: "one host"
        ),
        Expected(
            Sample.tenLines.replacing("192.0.2.2", with: "192.0.2.1"),
            4,
            23,
            "are both",
            hint: "peer's"
        ),
        Expected(
            Sample.tenLines.replacing("192.0.2.2", with: "\"2001:db8::1\""),
            4,
            23,
            "different IP versions",
            hint: "two IPv4 or two IPv6"
        ),
        Expected(
            Sample.tenLines.replacing("id: a.example", with: "id: any"),
            3,
            37,
            "cannot be any",
            hint: "a.example"
        ),
        Expected(
            Sample.tenLines.replacing("id: b.example", with: "id: \"b example\""),
            4,
            38,
            "not an identity",
            hint: "b.example"
        ),
        Expected(
            Sample.tenLines.replacing("id: b.example", with: "id: 192.0.2.300"),
            4,
            38,
            "not an identity",
            hint: "address"
        ),
        Expected(
            Sample.tenLines.replacing("id: b.example", with: "id: a@@b"),
            4,
            38,
            "not a mail address",
            hint: "a@b.example"
        ),
        Expected(
            Sample.tenLines.replacing("id: b.example", with: "id: \"keyid:0xf\""),
            4,
            38,
            "not hexadecimal",
            hint: "two hexadecimal"
        ),
        Expected(
            Sample.tenLines.replacing("address: 192.0.2.2, id: b.example", with: "address: any"),
            4,
            13,
            "any address and no id",
            hint: "id: any"
        ),
        Expected(
            Sample.tenLines.replacing("{address: 192.0.2.1, id: a.example}", with: "{}"),
            3,
            12,
            "neither address nor id",
            hint: "id alone"
        ),
        Expected(
            Sample.connection("encapsulation: tcp"),
            6,
            20,
            "not one of its values",
            hint: "auto, udp or esp"
        ),
        Expected(Sample.connection("liveness: 30"), 6, 15, "has no unit", hint: "30s"),
        Expected(Sample.connection("liveness: soon"), 6, 15, "not a duration", hint: "or off"),
        Expected(Sample.connection("liveness: 3w"), 6, 15, "\"w\" is not a unit", hint: "or d"),
        Expected(Sample.connection("liveness: 2d"), 6, 15, "out of range", hint: "1s to 1d"),
        Expected(
            Sample.connection("ike-lifetime: 99999999999999999d"),
            6,
            19,
            "out of range",
            hint: "10s to 7d"
        ),
        Expected(
            Sample.connection("retransmission: {factor: -1}"),
            6,
            30,
            "not a factor",
            hint: "1.0 to 5.0"
        ),
        Expected(
            Sample.connection("retransmission: {tries: 21}"),
            6,
            29,
            "21 is out of range",
            hint: "1 to 20"
        ),
        Expected(
            Sample.connection("retransmission: {initial: 60s, factor: 5}"),
            6,
            21,
            "given up after",
            hint: "an hour"
        ),
    ]

    static let tunnel: [Expected] = [
        Expected(
            Sample.tenLines.replacing("        local: 10.1.0.0/16\n", with: ""),
            8,
            9,
            "has no \"local\"",
            hint: "10.1.0.0/16"
        ),
        Expected(
            Sample.tenLines.replacing("10.1.0.0/16", with: "10.1.2.3/16"),
            8,
            16,
            "not a network",
            hint: "write 10.1.0.0/16 for the network, or 10.1.2.3"
        ),
        Expected(
            Sample.tenLines.replacing("10.1.0.0/16", with: "\"2001:db8::1/0\""),
            8,
            16,
            "not a network",
            hint: "write ::/0 for the network"
        ),
        Expected(
            Sample.tenLines.replacing("10.1.0.0/16", with: "10.1.0.0/33"),
            8,
            16,
            "not a network",
            hint: "as in 10.1.0.0/16"
        ),
        Expected(
            Sample.tenLines.replacing("10.1.0.0/16", with: "10.1.0.9-10.1.0.5"),
            8,
            16,
            "has no addresses",
            hint: "lower address first"
        ),
        Expected(
            Sample.tenLines.replacing("10.1.0.0/16", with: "10.1.0.9-x"),
            8,
            16,
            "not a range",
            hint: "the first and the last"
        ),
        Expected(
            Sample.tenLines.replacing("10.1.0.0/16", with: "10.1.0.0/16[tcpp/1]"),
            8,
            16,
            "\"tcpp\" is not an IP protocol",
            hint: "did you mean tcp?"
        ),
        Expected(
            Sample.tenLines.replacing("10.1.0.0/16", with: "10.1.0.0/16[tcp/65536]"),
            8,
            16,
            "not a port",
            hint: "1000-2000"
        ),
        Expected(
            Sample.tenLines.replacing("10.1.0.0/16", with: "10.1.0.0/16[udp/9-8]"),
            8,
            16,
            "upside down",
            hint: "lower number"
        ),
        Expected(
            Sample.tenLines.replacing("10.1.0.0/16", with: "10.1.0.0/16[icmp/300]"),
            8,
            16,
            "not an ICMP type",
            hint: "3(4)"
        ),
        Expected(
            Sample.tenLines.replacing("10.1.0.0/16", with: "10.1.0.0/16[icmpv6]"),
            8,
            16,
            "does not occur with",
            hint: "icmp with IPv4"
        ),
        Expected(
            Sample.tenLines.replacing("10.1.0.0/16", with: "10.1.0.0/16[tcp"),
            8,
            16,
            "does not end in ]",
            hint: "[tcp/443]"
        ),
        Expected(
            Sample.tenLines.replacing("10.2.0.0/16", with: "[10.2.0.0/16, 2001:db8:2::/48]"),
            9,
            31,
            "is IPv6, but no local network is",
            hint: "add an IPv6 network to \"local\""
        ),
        Expected(
            Sample.tenLines.replacing("10.2.0.0/16", with: "[10.2.0.0/16, 10.2.3.0/24]"),
            9,
            31,
            "lies within 10.2.0.0/16",
            hint: "remove"
        ),
        Expected(
            Sample.tenLines.replacing("10.2.0.0/16", with: "10.2.0.0/16[tcp]")
                .replacing("10.1.0.0/16", with: "10.1.0.0/16[udp]"),
            8,
            16,
            "different protocols",
            hint: "same protocol"
        ),
        Expected(
            Sample.tenLines.replacing("10.2.0.0/16", with: "[]"),
            9,
            17,
            "has 0 entries",
            hint: "1 to 255"
        ),
        Expected(
            Sample.tunnel("start: on-trafic"),
            10,
            16,
            "not one of its values",
            hint: "did you mean on-traffic?"
        ),
        Expected(
            Sample.tunnel("start: at-boot").replacing("192.0.2.2", with: "any"),
            10,
            16,
            "address is not known",
            hint: "peer begins"
        ),
        Expected(
            Sample.tunnel("lifetime-bytes: 10"),
            10,
            25,
            "not a size",
            hint: "10GiB"
        ),
        Expected(
            Sample.tunnel("lifetime-bytes: 1B"),
            10,
            25,
            "out of range",
            hint: "65536B"
        ),
        Expected(Sample.tunnel("lifetime-packets: 1"), 10, 27, "out of range", hint: "100 to"),
        Expected(Sample.tunnel("lifetime-packets: +200"), 10, 27, "not a whole", hint: "100 to"),
        Expected(Sample.tunnel("dscp: 64"), 10, 15, "out of range", hint: "0 to 63"),
        Expected(Sample.tunnel("mss-clamp: big"), 10, 20, "not a whole number", hint: "auto, off"),
        Expected(
            Sample.tunnel("mtu: 1500"),
            10,
            14,
            "leaves nothing of link-mtu 1500",
            hint: "raise link-mtu"
        ),
        Expected(
            Sample.tunnel("mtu: 1000").replacing("10.1.0.0/16", with: "\"2001:db8:1::/48\"")
                .replacing("10.2.0.0/16", with: "\"2001:db8:2::/48\""),
            10,
            14,
            "too small for the IPv6 networks",
            hint: "1280"
        ),
        Expected(
            Sample.top("gateway: {mtu: 9000}"),
            10,
            10,
            "leaves nothing",
            hint: "auto"
        ),
        Expected(Sample.tunnel("mtu: 100"), 10, 14, "out of range", hint: "or auto"),
        Expected(Sample.tunnel("df: maybe"), 10, 13, "not one of", hint: "copy, set or clear"),
        Expected(Sample.tunnel("replay-window: 8"), 10, 24, "out of range", hint: "32 to 65536"),
        Expected(Sample.tunnel("pfs: yes"), 10, 9, "unknown key", hint: "ESP proposals"),
    ]

    @Test(arguments: structure + connection + tunnel + gateway + policies)
    func isToldWithItsPlace(expected: Expected) {
        let result = read(expected.text)
        #expect(
            expected.isFound(in: result),
            "\(result.diagnostics.map(\.description).joined(separator: "\n"))"
        )
    }
}
