import IPsecPrimitives
import Testing

@testable import Configuration

@Suite("What tunnels do against the analysis of their traffic")
struct TrafficFlowTests {
    private func result(_ lines: [String]) -> ConfigurationResult {
        let text =
            [
                "connections:", "  site:", "    local: {address: 192.0.2.1, id: a.example}",
                "    remote: {address: 192.0.2.2, id: b.example}", "    secret-file: site.secret",
                "    tunnels:", "      net:", "        local: 10.1.0.0/16",
                "        remote: 10.2.0.0/16",
            ] + lines.map { "        \($0)" }
        return GatewayConfiguration.read(
            Array((text.joined(separator: "\n") + "\n").utf8),
            file: "a.yaml",
            carriedBy: .userspace
        )
    }

    private func carriage(_ lines: [String]) throws -> CarriageConfiguration {
        let read = result(lines)
        #expect(read.diagnostics == [])
        return try #require(read.configuration?.connections[0].tunnels[0].carriage)
    }

    @Test func nothingUnlessItIsAskedFor() throws {
        for lines in [[], ["pad-to: off", "dummy-packets: off", "ip-tfs: off"]] {
            let carriage = try carriage(lines)
            #expect(carriage.padTo.value == .off && carriage.dummiesPerSecond.value == nil)
            #expect(carriage.train == nil)
        }
    }

    @Test func paddingIsRead() throws {
        let largest = try carriage(["pad-to: mtu", "dummy-packets: 25"])
        #expect(largest.padTo.value == .mtu && largest.dummiesPerSecond.value == 25)
        #expect(try carriage(["pad-to: 1280"]).padTo.value == .bytes(1280))
    }

    @Test func trainsAreRead() throws {
        let short = try #require(try carriage(["ip-tfs: {rate: 10Mbit}"]).train)
        #expect(short.rate.value == 10_000_000 && short.packetSize.value == nil)
        #expect(short.queue.value == .milliseconds(100) && short.reorderWindow.value == 3)
        #expect(!short.isOptional.value)
        let long = try #require(
            try carriage([
                "ip-tfs:", "  rate: 2 Gbit", "  packet-size: 1400", "  queue: 20ms",
                "  reorder-window: 0", "  optional: true",
            ]).train
        )
        #expect(long.rate.value == 2_000_000_000 && long.packetSize.value == 1400)
        #expect(long.queue.value == .milliseconds(20) && long.reorderWindow.value == 0)
        #expect(long.isOptional.value)
    }

    @Test(
        "what makes no sense is an error",
        arguments: [
            (["pad-to: 100"], "out of range"), (["pad-to: large"], "not a whole number"),
            (["dummy-packets: 0", "pad-to: mtu"], "out of range"),
            (["dummy-packets: 10001", "pad-to: mtu"], "out of range"),
            (["ip-tfs: {packet-size: 1400}"], "has no \"rate\""),
            (["ip-tfs: {rate: 10}"], "is not a rate"),
            (["ip-tfs: {rate: 10MB}"], "is not a rate"),
            (["ip-tfs: {rate: 63kbit}"], "out of range"),
            (["ip-tfs: {rate: 11Gbit}"], "out of range"),
            (["ip-tfs: {rate: 1Mbit, packet-size: 1501}"], "is more than link-mtu 1500"),
            (["ip-tfs: {rate: 1Mbit, packet-size: 100}"], "out of range"),
            (["ip-tfs: {rate: 1Mbit, reorder-window: 65}"], "out of range"),
            (["ip-tfs: {rate: 1Mbit, queue: 11s}"], "out of range"),
            (["ip-tfs: {rate: 1Mbit, speed: 3}"], "unknown key \"speed\""),
            (["ip-tfs: {rate: 1Mbit}", "pad-to: mtu"], "does not go with ip-tfs"),
            (["ip-tfs: {rate: 1Mbit}", "dummy-packets: 3"], "does not go with ip-tfs"),
            (["ip-tfs: {rate: 1Mbit}", "resources: 2"], "one SA carries the train"),
            (["ip-tfs: {rate: 1Mbit}", "sa-per: local-port"], "a train of its own"),
            (["ip-tfs: {rate: 1Mbit}", "ah-proposals: sha256"], "where AH may carry"),
            (["pad-to: mtu", "ah-proposals: sha256"], "where AH may carry"),
            (["ip-tfs: {rate: 1Mbit}", "compression: deflate"], "does not go with ip-tfs"),
            (["pad-to: mtu", "compression: deflate"], "does not go with pad-to"),
        ]
    )
    func senseless(lines: [String], message: String) {
        let read = result(lines)
        #expect(read.errors.count == 1, "\(read.errors)")
        #expect(read.errors.first?.message.contains(message) == true, "\(read.errors)")
        #expect(read.errors.first.map { $0.location.line >= 10 } == true)
    }

    @Test func transportModeHasNoneOfIt() {
        let text = """
            connections:
              site:
                local: {address: 192.0.2.1, id: a.example}
                remote: {address: 192.0.2.2, id: b.example}
                secret-file: site.secret
                tunnels:
                  net: {local: 192.0.2.1, remote: 192.0.2.2, mode: transport, pad-to: mtu}

            """
        let read = GatewayConfiguration.read(Array(text.utf8), file: "a.yaml")
        #expect(read.errors.map { $0.message.contains("needs tunnel mode") } == [true])
    }

    @Test func dummiesThatShowAreWarnedOf() {
        let read = result(["dummy-packets: 3"])
        #expect(read.errors == [] && read.configuration != nil)
        #expect(read.diagnostics.map { $0.message.contains("can be told apart") } == [true])
        #expect(read.diagnostics.first?.hint == "add `pad-to: mtu`")
    }
}
