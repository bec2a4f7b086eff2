import Simulation
import Testing

@Suite("The ledger of seeds")
struct SeedLedgerTests {
    private func row(
        _ first: UInt64,
        _ count: UInt64,
        _ commit: String = "abc",
        violations: [UInt64] = []
    ) -> SeedLedger.Row {
        SeedLedger.Row(
            first: first,
            count: count,
            commit: commit,
            violations: violations,
            date: "2026-01-02"
        )
    }

    @Test("is read as it was written")
    func reading() {
        var ledger = SeedLedger(reading: "")
        ledger.add(row(1, 100))
        ledger.add(row(500, 20, violations: [507, 519]))
        ledger.add(row(1, 7, "def"))
        let again = SeedLedger(reading: ledger.text)
        #expect(again.rows == ledger.rows && again.rows.count == 3)
        #expect(again.text == ledger.text)
        #expect(ledger.text.contains("| 500 | 20 | abc | violations: 507 519 | 2026-01-02 |"))
    }

    @Test("a run in several sittings is one row")
    func sittings() {
        var ledger = SeedLedger(reading: "")
        ledger.add(row(1, 50))
        ledger.add(row(51, 50, violations: [60]))
        #expect(ledger.rows == [row(1, 100, violations: [60])])
        ledger.add(row(201, 50))
        #expect(ledger.rows.count == 2)
        // What closes the gap, and overlaps, joins all three.
        ledger.add(row(90, 111, violations: [60, 95]))
        #expect(ledger.rows == [row(1, 250, violations: [60, 95])])
        #expect(ledger.total(of: "abc") == (250, 2))
    }

    @Test("commits are apart")
    func commits() {
        var ledger = SeedLedger(reading: "")
        ledger.add(row(1, 50))
        ledger.add(row(51, 50, "def"))
        #expect(ledger.rows.count == 2)
        #expect(ledger.next(from: 1, commit: "abc") == 51)
        #expect(ledger.next(from: 1, commit: "def") == 1)
        #expect(ledger.next(from: 60, commit: "def") == 101)
        #expect(ledger.total(of: "ghi") == (0, 0))
    }

    @Test("goes on behind what is there, over several rows")
    func next() {
        var ledger = SeedLedger(reading: "")
        ledger.add(row(1, 50))
        ledger.add(row(61, 40))
        #expect(ledger.next(from: 1, commit: "abc") == 51)
        #expect(ledger.next(from: 61, commit: "abc") == 101)
        #expect(ledger.next(from: 55, commit: "abc") == 55)
    }
}
