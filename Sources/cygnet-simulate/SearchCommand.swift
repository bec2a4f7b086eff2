internal import ArgumentParser
internal import Foundation
internal import Simulation

/// Many seeds, in processes of their own.
struct SearchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search",
        abstract: "Runs many seeds and reports those that violate a check."
    )

    @Option(name: .customLong("seeds"), help: "How many seeds.")
    var count = 500

    @Option(name: .customLong("from"), help: "The first seed.")
    var first: UInt64 = 1

    @Option(help: "Processes at a time; the default is one a core.")
    var workers = ProcessInfo.processInfo.activeProcessorCount

    @Option(help: "Violations after which the search ends.")
    var violations = 1

    @Flag(help: "List what was reached, and how often.")
    var coverage = false

    func validate() throws {
        guard count > 0, workers > 0 else {
            throw ValidationError("--seeds and --workers must be positive")
        }
    }

    func run() throws {
        let search = Search(
            first: first,
            count: count,
            workers: workers,
            violationLimit: violations
        )
        let found = search.run()
        if coverage {
            for (name, count) in found.coverage.counts.sorted(by: { $0.key < $1.key }) {
                print("\(count)\t\(name)")
            }
        }
        for failure in found.failures {
            print("seed \(failure.seed): \(failure.text)")
            print("  again: scripts/simulate run --seed \(failure.seed) --verbose")
        }
        print(found.summary)
        if !found.failures.isEmpty { throw ExitCode(1) }
    }
}
