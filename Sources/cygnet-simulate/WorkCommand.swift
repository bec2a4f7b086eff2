internal import ArgumentParser
internal import Foundation
internal import Simulation

/// A worker's share of a search: a line for each seed, then the coverage.
struct WorkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "work",
        abstract: "Runs a range of seeds for a search.",
        shouldDisplay: false
    )

    @Option(name: .customLong("from"), help: "The first seed.")
    var first: UInt64

    @Option(name: .customLong("seeds"), help: "How many seeds.")
    var count: Int

    func run() throws {
        // Ctrl-C reaches all processes; the one that searches decides when to end.
        signal(SIGINT, SIG_IGN)
        var coverage = Coverage()
        for seed in first..<first + UInt64(count) {
            // Named before it runs: of a worker that dies, the last one is the culprit.
            write("begin \(seed)")
            let outcome = KeyEncapsulationComparison.outcome(
                of: ScenarioGenerator.scenario(seed: seed)
            )
            coverage.merge(outcome.coverage)
            write(outcome.line)
        }
        for (name, count) in coverage.counts.sorted(by: { $0.key < $1.key }) {
            write("coverage \(count) \(name)")
        }
    }

    private func write(_ line: String) {
        FileHandle.standardOutput.write(Data((line + "\n").utf8))
    }
}
