internal import Configuration
internal import Foundation
internal import IPsecPrimitives
internal import LinuxIO
internal import Management
internal import NamespaceTesting
internal import Testing

@testable internal import Gateway

@Suite("Looking after the guard", .enabled(if: NetworkNamespace.isAvailable))
struct GuardKeepingTests {
    @Test(arguments: [true, false])
    func whatWasTakenAwayComesBack(isRouteBased: Bool) throws {
        let gateway = try GuardedNamespace(
            isRouteBased ? routeBasedConfiguration() : configuration()
        )
        try gateway.set()
        #expect(try !gateway.restore(), "all was there")
        let table = try gateway.table()
        try gateway.run("nft flush ruleset")
        #expect(try gateway.restore())
        #expect(try gateway.table() == table)
        if !isRouteBased {
            try gateway.run("ip rule flush")
            try gateway.run("ip -6 rule flush")
            #expect(try gateway.restore())
            #expect(try gateway.run("ip rule show").contains("to 10.2.0.0/16 lookup"))
        }
        // Both at once are no sign that anybody meant it.
        try gateway.run("nft flush ruleset")
        try gateway.run("ip rule flush")
        #expect(try gateway.restore())
        #expect(try gateway.table() == table)
        // Lifted by hand.
        try gateway.namespace.perform { try PacketGuard.lift() }
        #expect(try !gateway.restore())
        #expect(try gateway.run("nft list tables") == "table inet cygnet_guard_lifted\n")
        #expect(try gateway.state() == .lifted)
        // A firewall that was loaded anew knows nothing of that.
        try gateway.run("nft flush ruleset")
        #expect(try gateway.restore())
        #expect(try !gateway.restore())
    }

    /// A table of our name that is not ours: emptied, of other rules, asleep, or another one.
    @Test(arguments: [
        "nft flush table inet cygnet_guard",
        "nft flush chain inet cygnet_guard outbound",
        "nft delete table inet cygnet_guard ; add table inet cygnet_guard",
        "nft add table inet cygnet_guard { flags dormant; }",
        "nft insert rule inet cygnet_guard outbound accept",
    ])
    func aTableThatIsNotOursIsReplaced(damage: String) throws {
        let gateway = try GuardedNamespace(configuration())
        try gateway.set()
        let table = try gateway.table()
        try gateway.run(damage)
        #expect(try gateway.state() == .incomplete)
        #expect(try gateway.restore([.filter]))
        #expect(try gateway.table() == table)
        #expect(try gateway.state() == .set)
    }

    /// As who saves the rules of a firewall with ours among them does it, and loads them at a boot.
    @Test func aTableThatWasSavedIsReplaced() throws {
        let gateway = try GuardedNamespace(configuration())
        let folder = makeTemporaryFolder(for: "ruleset")
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try gateway.set()
        let table = try gateway.table()
        try Data(table.utf8).write(to: URL(filePath: folder + "/saved"))
        try gateway.run("nft flush ruleset")
        try gateway.run("nft -f \(folder)/saved")
        #expect(try gateway.restore())
        #expect(try gateway.table() == table)
    }

    /// What a table of each kind of plan looks like is known without asking the kernel: so a change that
    /// comes between the setting and the first look at it is seen.
    @Test(arguments: ["policies", "interfaces", "mixed"])
    func aTableIsKnownByItsPlan(kind: String) throws {
        let configuration =
            switch kind {
            case "policies": try configuration()
            case "interfaces": try routeBasedConfiguration()
            default:
                try configuration(
                    gateway: "  default-policy: discard",
                    policies: """
                        policies:
                          - bypass: {remote: 10.2.0.5, protocol: udp, remote-port: 53}
                          - discard: {remote: 10.3.0.0/16, protocol: icmp}
                          - protect: b/net
                        """
                )
            }
        let gateway = try GuardedNamespace(configuration)
        try gateway.set()
        let plan = gateway.plans.packetGuard
        func fits() throws -> Bool? {
            try gateway.namespace.perform { try GuardFingerprint.read()?.fits(plan) }
        }
        #expect(try fits() == true)
        try gateway.run("nft insert rule inet cygnet_guard inbound accept")
        #expect(try fits() == false)
        try gateway.run("nft flush chain inet cygnet_guard inbound")
        #expect(try fits() == false)
        try gateway.run("nft flush table inet cygnet_guard")
        #expect(try fits() == false)
    }

    /// What others do to tables of theirs is nothing to us.
    @Test func changesOfOthersLeaveOurTableAlone() throws {
        let gateway = try GuardedNamespace(configuration())
        try gateway.set()
        let table = try gateway.run("nft -a list table inet cygnet_guard")
        for command in [
            "add table inet other", "add chain inet other more", "delete table inet other",
        ] {
            try gateway.run("nft \(command)")
            #expect(try gateway.state() == .set)
            #expect(try !gateway.restore())
        }
        #expect(try gateway.run("nft -a list table inet cygnet_guard") == table)
    }

    /// A rule that takes another's place leaves every count as it was: news tell of it.
    @Test func newsTellWhetherOurTableIsMeant() throws {
        let gateway = try GuardedNamespace(configuration())
        try gateway.set()
        let filters = try gateway.namespace.perform { try Watch(.packetFilters) }
        try gateway.run("nft add table inet other")
        try gateway.run("nft add chain inet other inbound")
        var news = filters.watch.drainNamingGuard()
        #expect(news.hasNews && !news.namesGuard)
        let line = try #require(
            try gateway.run("nft -a list chain inet cygnet_guard inbound").split(separator: "\n")
                .first { $0.contains("# handle") && $0.contains("drop") }
        )
        let handle = line.split(separator: " ").last ?? ""
        try gateway.run("nft replace rule inet cygnet_guard inbound handle \(handle) accept")
        news = filters.watch.drainNamingGuard()
        #expect(news.hasNews && news.namesGuard)
    }

    /// One half that cannot be put back keeps the other from nothing.
    @Test func rulesComeBackWithoutTheFilter() throws {
        let gateway = try GuardedNamespace(configuration())
        try gateway.set()
        try gateway.run("nft delete table inet cygnet_guard")
        // A table that belongs to a process is nobody else's to change.
        let owner = try BackgroundCommand([
            "ip", "netns", "exec", gateway.namespace.name, "bash", "-c",
            "exec nft -i < <(echo 'add table inet cygnet_guard { flags owner; }'; "
                + "exec sleep 30 2>/dev/null) >/dev/null 2>&1",
        ])
        defer { owner.stop() }
        try Retry.until(seconds: 5) {
            let tables = try gateway.run("nft list tables")
            if !tables.contains("cygnet_guard") {
                throw ShellFailure(command: "nft", output: tables)
            }
        }
        try gateway.run("ip rule flush")
        #expect(throws: SystemCallFailure.self) { try gateway.restore() }
        #expect(try gateway.run("ip rule show").contains("to 10.2.0.0/16 lookup"))
    }

    /// A reload that would lose one more route to somebody else is refused, whatever was lost before.
    @Test func oneMoreConflictIsOneTooMany() throws {
        let namespace = try NetworkNamespace("gw")
        let plans = try ["10.50.0.0/16", "10.50.0.0/16, 10.60.0.0/16"].map {
            KernelPlans(try routeBasedConfiguration(routes: $0), localAddresses: [])
        }
        for network in ["10.50.0.0/16", "10.60.0.0/16"] {
            try namespace.run("ip route add unreachable \(network) metric 4278198272")
        }
        try namespace.perform {
            let network = try NetworkConfiguration()
            var kept = KeptGuard()
            try kept.set(plans[0], network)
            #expect(kept.conflicts.count == 1)
            #expect(throws: SystemCallFailure.self) {
                try kept.replace(plans[0], by: plans[1], network)
            }
            #expect(kept.conflicts.count == 1)
            // What was there before is no reason to refuse anything.
            try kept.replace(plans[0], by: plans[0], network)
        }
    }

    /// A lifting that comes between a look and what follows from it counts.
    @Test func aLiftingIsNotUndoneByOneWhoHasNotSeenIt() throws {
        let gateway = try GuardedNamespace(configuration())
        let plan = gateway.plans.packetGuard
        let isSet = try gateway.namespace.perform {
            try PacketGuard.set(plan)
            try PacketGuard.lift()
            return try PacketGuard.replace(by: plan)
        }
        #expect(!isSet)
        #expect(try gateway.run("nft list tables") == "table inet cygnet_guard_lifted\n")
        try gateway.set()
        #expect(try gateway.run("nft list tables") == "table inet cygnet_guard\n")
    }

    @Test func changesOfRulesAndFiltersAreHeard() throws {
        let gateway = try GuardedNamespace(configuration())
        let (rules, filters) = try gateway.namespace.perform {
            (try Watch(.rules), try Watch(.packetFilters))
        }
        #expect(!rules.watch.drain() && !filters.watch.drain())
        try gateway.run("ip rule add priority 77 to 10.0.0.0/8 lookup main")
        #expect(rules.watch.drain() && !filters.watch.drain())
        try gateway.run("ip -6 rule add priority 77 to fd00::/8 lookup main")
        #expect(rules.watch.drain() && !filters.watch.drain())
        try gateway.run("nft add table inet other")
        #expect(!rules.watch.drain() && filters.watch.drain())
        try gateway.run("nft flush ruleset")
        #expect(filters.watch.drain())
    }
}

private struct Watch: @unchecked Sendable {
    let watch: NetlinkWatch

    init(_ subject: NetlinkWatch.Subject) throws { watch = try NetlinkWatch(subject) }
}

/// The guard of a configuration, kept in a namespace of its own.
private final class GuardedNamespace {
    let namespace: NetworkNamespace
    let plans: KernelPlans
    private var kept = KeptGuard()

    init(_ configuration: GatewayConfiguration) throws {
        namespace = try NetworkNamespace("gw")
        plans = KernelPlans(configuration, localAddresses: [])
    }

    func set() throws {
        kept = try namespace.perform { [kept, plans] in
            var kept = kept
            try kept.set(plans, NetworkConfiguration())
            return kept
        }
    }

    func restore(_ halves: Set<KeptGuard.Half> = [.filter, .routing]) throws -> Bool {
        let isRestored: Bool
        (kept, isRestored) = try namespace.perform { [kept, plans] in
            var kept = kept
            let isRestored = try kept.restore(halves, of: plans, NetworkConfiguration())
            return (kept, isRestored)
        }
        return isRestored
    }

    func state() throws -> GuardStatus { try namespace.perform { [kept] in kept.state() } }

    @discardableResult
    func run(_ command: String) throws -> String { try namespace.run(command) }

    func table() throws -> String { try run("nft list table inet cygnet_guard") }
}
