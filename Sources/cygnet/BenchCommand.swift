internal import ArgumentParser
internal import Benchmarking
internal import Foundation

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure what IKE costs on this machine.",
        discussion: "Nothing is configured and nothing leaves the machine: loopback only.",
        subcommands: [HandshakeBenchmark.self, TunnelBenchmark.self, FloodCommand.self]
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
        abstract: "Resident memory of an established tunnel, ESP not counted, and CPU at rest.",
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

struct FloodCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flood",
        abstract: "Tunnels and a genuine peer under forged IKE_SA_INIT requests.",
        discussion: """
            Loopback only, and over after the given time.

            Examples:
              cygnet bench flood
              cygnet bench flood --rate 50000 --seconds 5 --json
            """
    )

    @Option(help: "Forged requests a second.")
    var rate = 50_000

    @Option(help: "How long.")
    var seconds = 5

    @Option(help: "Tunnels that are up meanwhile.")
    var tunnels = 200

    @Flag(help: "Print the figures as JSON.")
    var json = false

    func validate() throws {
        guard (1...500_000).contains(rate), (2...60).contains(seconds),
            (1...10_000).contains(tunnels)
        else {
            throw ValidationError("Give up to 500000 a second, 2 to 60 s, 1 to 10000 tunnels.")
        }
    }

    func run() throws {
        let suite = HandshakeSuite.usual[0]
        let measurement = try FloodBenchmark.measure(
            suite,
            rate: rate,
            seconds: seconds,
            tunnels: tunnels,
            responderArguments: [
                "bench", "handshake", "--respond", "--without-esp", "--suite", suite.ike,
            ]
        )
        if json { try BenchCommand.print(measurement) } else { print(measurement.text) }
    }
}

extension BenchCommand {
    static func print(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        Swift.print(String(decoding: try encoder.encode(value), as: UTF8.self))
    }
}
