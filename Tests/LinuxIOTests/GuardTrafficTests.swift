internal import IPsecPrimitives
internal import LinuxIO
internal import NamespaceTesting
internal import Testing

/// The guard in a kernel, with packets: a gateway between an inside host and an outside one, and
/// no daemon. The outside host has the protected networks on it, in clear.
@Suite(
    "The guard against real traffic",
    .enabled(if: NetworkNamespace.isAvailable),
    .serialized
)
struct GuardTrafficTests {
    private let inside: NetworkNamespace
    private let gateway: NetworkNamespace
    private let outside: NetworkNamespace

    init() throws {
        inside = try NetworkNamespace("in")
        gateway = try NetworkNamespace("gw")
        outside = try NetworkNamespace("out")
        try NetworkNamespace.connect(inside, "lan", gateway, "lan")
        try NetworkNamespace.connect(gateway, "wan", outside, "wan")
        for (namespace, device, addresses) in [
            (inside, "lan", ["10.1.0.9/16", "fd01::9/64"]),
            (gateway, "lan", ["10.1.0.1/16", "fd01::1/64"]),
            (gateway, "wan", ["192.0.2.1/24", "fd0f::1/64"]),
            (outside, "wan", ["192.0.2.2/24", "10.2.0.9/16", "fd0f::2/64", "fd02::9/64"]),
        ] {
            for address in addresses {
                try namespace.run("ip address add \(address) dev \(device)")
            }
        }
        try gateway.run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        for (namespace, target, via) in [
            (inside, "default", "10.1.0.1"), (inside, "-6 default", "fd01::1"),
            (gateway, "10.2.0.0/16", "192.0.2.2"), (gateway, "-6 fd02::/64", "fd0f::2"),
            (outside, "10.1.0.0/16", "192.0.2.1"), (outside, "-6 fd01::/64", "fd0f::1"),
        ] {
            let words = target.split(separator: " ")
            let family = words.count > 1 ? "-6 " : ""
            try namespace.run("ip \(family)route add \(words.last!) via \(via)")
        }
    }

    /// Every way that a packet could take between the networks, and which of them one took.
    private func openWays() -> [String] {
        let ways: [(String, NetworkNamespace, String)] = [
            ("out", gateway, "-I 10.1.0.1 10.2.0.9"), ("out6", gateway, "-I fd01::1 fd02::9"),
            ("through", inside, "10.2.0.9"), ("through6", inside, "fd02::9"),
            ("fragments", inside, "-s 4000 10.2.0.9"), ("fragments6", inside, "-s 4000 fd02::9"),
            ("in", outside, "-I 10.2.0.9 10.1.0.1"), ("in6", outside, "-I fd02::9 fd01::1"),
        ]
        return ways.filter { $0.1.succeeds("ping -c 1 -W 0.4 \($0.2)") }.map(\.0)
    }

    private static let all = [
        "out", "out6", "through", "through6", "fragments", "fragments6", "in", "in6",
    ]

    private func set(_ pairs: [(TrafficPolicy.Action, String, String)]) throws {
        let policies = try pairs.map { action, local, remote in
            TrafficPolicy(
                action,
                local: try #require(IPPrefix(local)),
                remote: try #require(IPPrefix(remote))
            )
        }
        try gateway.perform { try PacketGuard.set(GuardPlan(policies: policies)) }
    }

    /// What arrives outside although nobody answers, as `tcpdump` shows it.
    private func seenOutside(_ filter: String, while body: () throws -> Void) throws -> [Substring]
    {
        let capture = try outside.start("tcpdump --immediate-mode -Qin -lnni wan \(filter)")
        try Retry.pause(milliseconds: 700)
        try body()
        try Retry.pause(milliseconds: 300)
        return capture.stop().split(separator: "\n").filter { $0.contains(" > ") }
    }

    @Test func showAndLift() throws {
        #expect(try gateway.perform { try PacketGuard.show() } == nil)
        try set([(.protect, "10.1.0.0/16", "10.2.0.0/16")])
        let text = try gateway.perform { try PacketGuard.show() }
        #expect(text?.contains("10.2.0.0/16") == true)
        for _ in 0..<2 { try gateway.perform { try PacketGuard.lift() } }
        #expect(try gateway.perform { try PacketGuard.show() } == nil)
    }

    @Test func nothingPassesInAnyDirection() throws {
        #expect(openWays() == Self.all, "the test itself lets everything pass first")
        try set([
            (.protect, "10.1.0.0/16", "10.2.0.0/16"), (.protect, "fd01::/64", "fd02::/64"),
        ])
        let seen = try seenOutside("net 10.1.0.0/16 or net fd01::/64") {
            #expect(openWays().isEmpty)
        }
        #expect(seen.isEmpty, "\(seen)")
        try gateway.perform { try PacketGuard.lift() }
        #expect(openWays() == Self.all)
    }

    @Test func aPolicyForEverythingLeavesTheLinkAlive() throws {
        try set([(.protect, "0.0.0.0/0", "0.0.0.0/0"), (.protect, "::/0", "::/0")])
        #expect(openWays().isEmpty)
        // Neighbours still find each other, on either side.
        for namespace in [gateway, outside, inside] { try namespace.run("ip neigh flush all") }
        _ = outside.succeeds("ping -c 1 -W 0.4 fd0f::1")
        _ = outside.succeeds("ping -c 1 -W 0.4 192.0.2.1")
        for address in ["fd0f::1", "192.0.2.1"] {
            #expect(try outside.run("ip neigh show \(address)").contains("lladdr"))
        }
        // And membership of multicast groups is told.
        let seen = try seenOutside("igmp or (ip6 and ip6[6] == 0)") {
            try gateway.run("ip address add 239.1.2.3/32 dev wan autojoin")
            try gateway.run("ip address add ff15::99/128 dev wan autojoin")
            try Retry.pause(milliseconds: 1500)
        }
        #expect(seen.contains { $0.contains("igmp") }, "\(seen)")
        #expect(seen.contains { $0.contains("multicast listener report") }, "\(seen)")
    }

    /// The way round the exemption of our own ports: to another address, or with a hop limit that
    /// looks like the link's.
    @Test func exemptionsOpenNoWayThrough() throws {
        try set([
            (.protect, "10.1.0.0/16", "10.2.0.0/16"), (.protect, "fd01::/64", "fd02::/64"),
        ])
        let received = try inside.start("tcpdump --immediate-mode -Qin -lnni lan udp or icmp6")
        try Retry.pause(milliseconds: 700)
        for (source, target) in [("10.2.0.9", "10.1.0.9"), ("fd02::9", "fd01::9")] {
            _ = outside.succeeds("ping -c 1 -W 0.2 -t 2 -I \(source) \(target)")
            let here = try #require(IPAddress(source))
            let there = try #require(IPAddress(target))
            try outside.perform {
                let socket = try UDPSocket(
                    bindingTo: Endpoint(address: here, port: 500),
                    options: UDPSocket.Options(mark: nil)
                )
                for port in [500, 4500, 9999] as [UInt16] {
                    try socket.send([1], from: here, to: Endpoint(address: there, port: port))
                }
            }
        }
        try Retry.pause(milliseconds: 300)
        let lines = received.stop().split(separator: "\n").filter {
            $0.contains("10.2.0.9") || $0.contains("fd02::9")
        }
        #expect(lines.isEmpty, "\(lines)")
    }
}
