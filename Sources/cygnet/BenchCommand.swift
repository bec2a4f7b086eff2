internal import ArgumentParser
internal import Benchmarking
internal import Foundation

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure what IKE costs on this machine.",
        discussion: "Nothing is configured and nothing leaves the machine: loopback only.",
        subcommands: [HandshakeBenchmark.self, TunnelBenchmark.self]
    )
}

struct HandshakeBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "handshake",
        abstract: "Handshakes a second, and CPU a handshake for each role.",
        discussion: """
            Each handshake is IKE_SA_INIT and IKE_AUTH with a shared secret, and the keys of its \
            Child SA expanded for packets. Once with both roles in this process, once with a \
            second process over loopback.

            Examples:
              cygnet bench handshake
              cygnet bench handshake --suite aes256gcm16-prfsha384-ecp384 --json
              cygnet bench handshake --tunnels 10000
            """
    )

    @Option(help: "An IKE proposal, such as aes256gcm16-prfsha256-x25519; may be repeated.")
    var suite: [String] = []

    @Option(help: "Handshakes to measure.")
    var count = 2000

    @Option(help: "Tunnels to bring up between two processes, and to keep.")
    var tunnels: Int?

    @Flag(help: "Print the figures as JSON.")
    var json = false

    @Flag(help: .hidden)
    var respond = false

    @Flag(help: .hidden)
    var withoutESP = false

    func validate() throws {
        guard (1...1_000_000).contains(count), (1...1_000_000).contains(tunnels ?? 1) else {
            throw ValidationError("Between 1 and 1000000 handshakes can be measured.")
        }
    }

    func run() throws {
        let suites = try suite.map { text in
            guard let suite = HandshakeSuite(ike: text) else {
                throw ValidationError("\"\(text)\" is not a proposal.")
            }
            return suite
        }
        if respond {
            guard let suite = suites.first else { return }
            return try ResponderRole.run(suite, installs: !withoutESP)
        }
        var measurements: [HandshakeMeasurement] = []
        func note(_ measurement: HandshakeMeasurement) {
            if !json { print(measurement.text) }
            measurements.append(measurement)
        }
        if let tunnels {
            note(try loopback(suites.first ?? HandshakeSuite.usual[0], tunnels))
        } else {
            for suite in suites.isEmpty ? HandshakeSuite.usual : suites {
                note(try InProcessHandshakes.measure(suite, count: count))
                note(try loopback(suite, count))
            }
        }
        if json { try BenchCommand.print(measurements) }
    }

    private func loopback(_ suite: HandshakeSuite, _ count: Int) throws -> HandshakeMeasurement {
        let warmUp = 100
        let handshakes = try LoopbackHandshakes(
            suite,
            capacity: count + warmUp,
            installs: true,
            responderArguments: ["bench", "handshake", "--respond", "--suite", suite.ike]
        )
        try handshakes.run(warmUp)
        return try handshakes.measure(count)
    }
}

struct TunnelBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tunnels",
        abstract: "Resident memory of an established tunnel, ESP not counted.",
        discussion: """
            Examples:
              cygnet bench tunnels
              cygnet bench tunnels --count 10000 --json
            """
    )

    @Option(help: "Tunnels to hold.")
    var count = 100_000

    @Option(help: "An IKE proposal.")
    var suite = "aes256gcm16-prfsha256-x25519"

    @Flag(help: "Print the figures as JSON.")
    var json = false

    func validate() throws {
        guard (1...1_000_000).contains(count), HandshakeSuite(ike: suite) != nil else {
            throw ValidationError("Give a proposal and 1 to 1000000 tunnels.")
        }
    }

    func run() throws {
        guard let suite = HandshakeSuite(ike: suite) else { return }
        let warmUp = 1000
        let handshakes = try LoopbackHandshakes(
            suite,
            capacity: count + warmUp,
            installs: false,
            responderArguments: [
                "bench", "handshake", "--respond", "--without-esp", "--suite", suite.ike,
            ]
        )
        try handshakes.run(warmUp)
        let memory = try handshakes.measureMemory(count)
        if json { try BenchCommand.print(memory) } else { print(memory.text) }
    }
}

extension BenchCommand {
    static func print(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        Swift.print(String(decoding: try encoder.encode(value), as: UTF8.self))
    }
}
