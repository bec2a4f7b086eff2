internal import IPsecPrimitives

/// Deadlines of many SAs, the next one first; setting and taking cost the logarithm of their
/// number, and an SA's end costs nothing: its entries are skipped when they come up.
struct TimerHeap {
    struct Entry {
        let deadline: Instant
        let sa: IKESPI
        let timer: SATimer
    }

    private var entries: [Entry] = []

    var first: Entry? { entries.first }
    var count: Int { entries.count }

    mutating func insert(_ entry: Entry) {
        entries.append(entry)
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entries[child].deadline < entries[parent].deadline else { return }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    @discardableResult
    mutating func removeFirst() -> Entry? {
        guard let first = entries.first else { return nil }
        let last = entries.removeLast()
        guard !entries.isEmpty else { return first }
        entries[0] = last
        var parent = 0
        while true {
            let left = 2 * parent + 1
            guard left < entries.count else { break }
            let right = left + 1
            let isRightSooner =
                right < entries.count && entries[right].deadline < entries[left].deadline
            let child = isRightSooner ? right : left
            guard entries[child].deadline < entries[parent].deadline else { break }
            entries.swapAt(child, parent)
            parent = child
        }
        return first
    }
}
