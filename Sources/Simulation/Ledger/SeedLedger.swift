/// Which seeds were run on which commit, as a Markdown table that people read too.
///
/// Rows of one commit that touch or overlap are one row, so that a run in many sittings reads as
/// one.
package struct SeedLedger: Sendable {
    package struct Row: Equatable, Sendable {
        package var first: UInt64
        package var count: UInt64
        /// The last one that changed what is run.
        package var commit: String
        /// Seeds that violated something, in order.
        package var violations: [UInt64]
        /// Of the last sitting.
        package var date: String

        package init(
            first: UInt64,
            count: UInt64,
            commit: String,
            violations: [UInt64],
            date: String
        ) {
            self.first = first
            self.count = count
            self.commit = commit
            self.violations = violations
            self.date = date
        }

        /// The first seed after it.
        var end: UInt64 { first + count }

        var line: String {
            let result =
                violations.isEmpty
                ? Row.calm : Row.troubled + violations.map(String.init).joined(separator: " ")
            return "| \(first) | \(count) | \(commit) | \(result) | \(date) |"
        }

        private static let calm = "no violation"
        private static let troubled = "violations: "

        /// Nil for what is no row.
        init?(line: Substring) {
            let cells = line.split(separator: "|").map { cell in
                String(cell.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
            }
            guard cells.count == 5, let first = UInt64(cells[0]), let count = UInt64(cells[1]),
                cells[3] == Row.calm || cells[3].hasPrefix(Row.troubled)
            else { return nil }
            self.init(
                first: first,
                count: count,
                commit: cells[2],
                violations: cells[3].dropFirst(Row.troubled.count).split(separator: " ")
                    .compactMap { UInt64($0) },
                date: cells[4]
            )
        }
    }

    private static let heading = """
        # Ledger of the simulator

        Ranges of seeds that were run, one a line; the commit is the last one that changed the
        program, its packages or the simulator. `scripts/simulate --seeds N --from S --ledger` adds to
        it, and begins where this commit has not been yet; ranges of one commit that touch are one.

        | first seed | seeds | commit | result | date |
        |---|---|---|---|---|

        """

    package private(set) var rows: [Row]

    /// What of a text is a row.
    package init(reading text: String) {
        rows = text.split(separator: "\n").compactMap(Row.init)
    }

    package var text: String {
        SeedLedger.heading + rows.map { $0.line + "\n" }.joined()
    }

    /// The first seed from `first` on that no row of the commit has.
    package func next(from first: UInt64, commit: String) -> UInt64 {
        var next = first
        while let row = rows.first(where: {
            $0.commit == commit && $0.first <= next && $0.end > next
        }) {
            next = row.end
        }
        return next
    }

    /// How many seeds were run on a commit, and how many of them violated something.
    package func total(of commit: String) -> (seeds: UInt64, violations: Int) {
        rows.filter { $0.commit == commit }
            .reduce((0, 0)) { ($0.0 + $1.count, $0.1 + $1.violations.count) }
    }

    /// Adds a row, and joins it with those of its commit that it touches.
    package mutating func add(_ row: Row) {
        var joined = row
        while let place = rows.firstIndex(where: {
            $0.commit == joined.commit && $0.first <= joined.end && joined.first <= $0.end
        }) {
            let other = rows.remove(at: place)
            let first = min(other.first, joined.first)
            joined = Row(
                first: first,
                count: max(other.end, joined.end) - first,
                commit: row.commit,
                violations: Set(other.violations + joined.violations).sorted(),
                date: row.date
            )
        }
        rows.append(joined)
    }
}
