internal import Configuration
internal import IPsecPrimitives
internal import LinuxIO
internal import NamespaceTesting
internal import Testing

@testable internal import Gateway

@Suite("Looking after the guard", .enabled(if: NetworkNamespace.isAvailable))
struct GuardKeepingTests {
    @Test func aHalfThatWasTakenAwayComesBack() throws {
        let namespace = try NetworkNamespace("gw")
        let plans = KernelPlans(try configuration(), localAddresses: [])
        func restore() throws -> Bool {
            try namespace.perform {
                try GuardOperations.restore(plans, NetworkConfiguration())
            }
        }
        #expect(try !restore(), "nothing was set")
        try namespace.perform {
            try PacketGuard.set(plans.packetGuard)
            try NetworkConfiguration().apply(plans.routing)
        }
        #expect(try !restore(), "all was there")
        try namespace.run("nft flush ruleset")
        #expect(try restore())
        #expect(try namespace.run("nft list tables").contains("cygnet_guard"))
        try namespace.run("ip rule flush")
        try namespace.run("ip -6 rule flush")
        #expect(try restore())
        #expect(try namespace.run("ip rule show").contains("to 10.2.0.0/16 lookup"))
        // Both gone: lifted by hand.
        try namespace.perform {
            try PacketGuard.lift()
            try NetworkConfiguration().withdraw()
        }
        #expect(try !restore())
        #expect(try namespace.run("nft list tables").isEmpty)
    }
}
