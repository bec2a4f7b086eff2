internal import Foundation

/// Which seeds were run on which commit, in a Markdown table that people read too.
struct Ledger {
    struct Row: Equatable {
        var first: UInt64
        var count: UInt64
        var commit: String
        var result: String
        var date: String

        var end: UInt64 { first + count }
        var line: String { "| \(first) | \(count) | \(commit) | \(result) | \(date) |" }
    }

    private static let heading = """
        # Ledger of the simulator

        Ranges of seeds that were run, one a line; a run that was stopped goes on in the next line.
        `scripts/simulate --seeds N --ledger` adds to it, and begins where the commit at hand has
        not been yet.

        | first seed | seeds | commit | result | date |
        |---|---|---|---|---|

        """

    let url: URL
    private(set) var rows: [Row] = []

    init(path: String) {
        url = URL(filePath: path)
        guard let text = try? String(contentsOf: url, encoding: .utf8) else { return }
        rows = text.split(separator: "\n").compactMap(Ledger.row)
    }

    private static func row(_ line: Substring) -> Row? {
        let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
        guard cells.count == 5, let first = UInt64(cells[0]), let count = UInt64(cells[1]) else {
            return nil
        }
        return Row(first: first, count: count, commit: cells[2], result: cells[3], date: cells[4])
    }

    /// The first seed of a range that no row of the commit covers.
    func next(from first: UInt64, commit: String) -> UInt64 {
        var next = first
        while let row = rows.first(where: {
            $0.commit == commit && $0.first <= next && $0.end > next
        }) {
            next = row.end
        }
        return next
    }

    /// Adds a row, to the last one where it goes on from there.
    mutating func add(_ row: Row) throws {
        if let last = rows.last, last.commit == row.commit, last.end == row.first,
            last.result == row.result, last.date == row.date
        {
            rows[rows.count - 1].count += row.count
        } else {
            rows.append(row)
        }
        let text = Ledger.heading + rows.map(\.line).joined(separator: "\n") + "\n"
        try Data(text.utf8).write(to: url)
    }
}
