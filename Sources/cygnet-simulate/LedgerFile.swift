internal import Foundation
internal import Simulation
internal import Synchronization

/// The ledger of seeds on disk, for runs of one commit.
final class LedgerFile: Sendable {
    private struct State {
        var ledger: SeedLedger
        var problem: (any Error)?
    }

    private let url: URL
    private let commit: String
    private let state: Mutex<State>

    /// Throws for a file that is there and cannot be read.
    init(path: String, commit: String) throws {
        url = URL(filePath: path)
        self.commit = commit
        let isThere = FileManager.default.fileExists(atPath: path)
        let text = isThere ? try String(contentsOf: url, encoding: .utf8) : ""
        state = Mutex(State(ledger: SeedLedger(reading: text)))
    }

    /// The first seed from `first` on that the commit has not been run on.
    func next(from first: UInt64) -> UInt64 {
        state.withLock { $0.ledger.next(from: first, commit: commit) }
    }

    /// Adds seeds that were run, and writes the file; what goes wrong with that, `summary` tells.
    func add(_ seeds: Range<UInt64>, _ violations: [UInt64]) {
        state.withLock { state in
            state.ledger.add(
                SeedLedger.Row(
                    first: seeds.lowerBound,
                    count: UInt64(seeds.count),
                    commit: commit,
                    violations: violations.sorted(),
                    date: Date().formatted(.iso8601.year().month().day())
                )
            )
            do {
                try Data(state.ledger.text.utf8).write(to: url, options: .atomic)
                state.problem = nil
            } catch {
                state.problem = error
            }
        }
    }

    /// What the ledger has of the commit; throws when it could not be written.
    func summary() throws -> String {
        try state.withLock { state in
            if let problem = state.problem { throw problem }
            let total = state.ledger.total(of: commit)
            return "the ledger has \(total.seeds) seeds of \(commit), "
                + "\(total.violations) violations"
        }
    }
}
