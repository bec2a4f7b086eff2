internal import ArgumentParser
internal import Foundation
internal import Simulation

/// What of a seed is left out.
struct OmissionOptions: ParsableArguments {
    @Option(name: .customLong("without-faults"), help: "Numbers of faults to leave out: 1,4,5.")
    var faults: String?

    @Option(name: .customLong("without-peerings"), help: "Numbers of peerings to leave out.")
    var peerings: String?

    @Flag(name: .customLong("good-network"), help: "Lose nothing but by faults.")
    var hasGoodNetwork = false

    @Flag(name: .customLong("without-attackers"), help: "Leave attackers out.")
    var leavesOutAttackers = false

    @Option(name: .customLong("turmoil"), help: "Virtual seconds after which faults end.")
    var turmoilSeconds: Int?

    var omissions: Omissions {
        var result = Omissions()
        result.faults = OmissionOptions.numbers(faults)
        result.peerings = OmissionOptions.numbers(peerings)
        result.badNetwork = hasGoodNetwork
        result.attackers = leavesOutAttackers
        result.turmoilSeconds = turmoilSeconds
        return result
    }

    private static func numbers(_ text: String?) -> Set<Int> {
        Set((text ?? "").split(separator: ",").compactMap { Int($0) })
    }
}

/// One seed, in this process.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Runs one seed and shows what happens."
    )

    @Option(help: "The seed.")
    var seed: UInt64

    @Option(help: "So many gateways around one, instead of what the seed says.")
    var gateways: Int?

    @OptionGroup
    var left: OmissionOptions

    @Flag(help: "Show every event.")
    var verbose = false

    @Flag(name: .customLong("library-kem"), help: "Use the library's ML-KEM, not a stand-in.")
    var usesLibrary = false

    @Option(help: "Write the datagrams to this file, and the keys beside it.")
    var pcap: String?

    func run() throws {
        var whole =
            gateways.map { CrowdGenerator.scenario(gateways: $0, seed: seed) }
            ?? ScenarioGenerator.scenario(seed: seed)
        whole.usesLibraryKeyEncapsulation = usesLibrary
        let trace = verbose ? Trace { print($0) } : Trace()
        let world = World(whole.without(left.omissions), trace: trace, captures: pcap != nil)
        let outcome = world.run()
        print(outcome.line)
        if let pcap, let capture = world.capture {
            try Data(capture.file).write(to: URL(filePath: pcap))
            try write(capture.messageKeys, to: pcap + ".ike-keys")
            try write(capture.packetKeys, to: pcap + ".esp-keys")
            print("cygnet decode \(pcap) --ike-keys \(pcap).ike-keys --esp-keys \(pcap).esp-keys")
        }
        if outcome.violation != nil { throw ExitCode(1) }
    }

    private func write(_ lines: [String], to path: String) throws {
        let text = lines.joined(separator: "\n") + "\n"
        try Data(text.utf8).write(to: URL(filePath: path))
    }
}

/// The least of a failing seed that still fails.
struct ShrinkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shrink",
        abstract: "Finds what of a failing seed can be left out."
    )

    @Option(help: "The seed.")
    var seed: UInt64

    func run() throws {
        let scenario = ScenarioGenerator.scenario(seed: seed)
        let outcome = KeyEncapsulationComparison.outcome(of: scenario)
        guard let violation = outcome.violation else {
            print("seed \(seed) violates nothing")
            return
        }
        print(violation.line)
        var shrinker = Shrinker(scenario, checker: violation.checker)
        let omissions = shrinker.shrink()
        let smallest = KeyEncapsulationComparison.outcome(of: scenario.without(omissions))
        print("after \(shrinker.runs) runs: \(smallest.violation?.line ?? "nothing")")
        print("  scripts/simulate run --seed \(seed) --verbose \(omissions.options)")
        throw ExitCode(1)
    }
}
