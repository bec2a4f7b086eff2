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

    @Option(name: .customLong("from"), help: "The first seed; fresh takes one by the clock.")
    var from = "1"

    @Option(help: "Processes at a time; the default is one a core.")
    var workers = ProcessInfo.processInfo.activeProcessorCount

    @Option(help: "Violations after which the search ends.")
    var violations = 1

    @Flag(help: "List what was reached, and how often.")
    var coverage = false

    @Flag(help: "Do not look for less that fails too.")
    var unshrunk = false

    @Option(help: "Write the range to this ledger, and begin where it ends for this commit.")
    var ledger: String?

    @Option(help: "The commit, for the ledger.")
    var commit: String?

    func validate() throws {
        guard count > 0, workers > 0 else {
            throw ValidationError("--seeds and --workers must be positive")
        }
        guard from == "fresh" || UInt64(from) != nil else {
            throw ValidationError("--from takes a number, or fresh")
        }
        guard ledger == nil || commit != nil else {
            throw ValidationError("--ledger needs --commit")
        }
    }

    func run() throws {
        let ledger = try ledger.map { try LedgerFile(path: $0, commit: commit ?? "") }
        var first = UInt64(from) ?? UInt64(Date().timeIntervalSince1970) * 1000
        let end = first + UInt64(count)
        if let ledger { first = ledger.next(from: first) }
        guard first < end else { return print("the ledger has all of these seeds") }
        let search = Search(
            first: first,
            count: Int(end - first),
            workers: workers,
            violationLimit: violations,
            onProgress: { range, failures in ledger?.add(range, failures.map(\.seed)) }
        )
        let interrupts = search.stopOnInterrupt()
        let found = search.run()
        for interrupt in interrupts { interrupt.cancel() }
        show(found)
        if let ledger { print(try ledger.summary()) }
        if !found.failures.isEmpty { throw ExitCode(1) }
    }

    private func show(_ found: Search.Found) {
        if coverage {
            for (name, count) in found.coverage.counts.sorted(by: { $0.key < $1.key }) {
                print("\(count)\t\(name)")
            }
        }
        let missing = Expectations.missing(in: found.coverage)
        if !missing.isEmpty { print("never reached: " + missing.joined(separator: "; ")) }
        for failure in found.failures {
            print("seed \(failure.seed): \(failure.text)")
            print("  again: scripts/simulate run --seed \(failure.seed) --verbose")
        }
        if !unshrunk, let failure = found.failures.first {
            print("shrinking seed \(failure.seed)")
            let (text, _) = Search.output(of: ["shrink", "--seed", "\(failure.seed)"])
            print(text, terminator: "")
        }
        print(found.summary)
    }
}
