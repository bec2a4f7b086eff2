internal import IPsecPrimitives

/// What is to happen, the earliest first; of one moment, what was scheduled first.
struct EventQueue<Event> {
    struct Entry {
        let time: UInt64
        let sequence: UInt64
        let event: Event
    }

    private var entries: [Entry] = []
    private var lastSequence: UInt64 = 0

    var count: Int { entries.count }
    var nextTime: UInt64? { entries.first?.time }

    mutating func schedule(_ event: Event, at time: UInt64) {
        lastSequence += 1
        entries.append(Entry(time: time, sequence: lastSequence, event: event))
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard precedes(child, parent) else { return }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    mutating func popFirst() -> Entry? {
        guard let first = entries.first else { return nil }
        let last = entries.removeLast()
        guard !entries.isEmpty else { return first }
        entries[0] = last
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < entries.count else { return first }
            if child + 1 < entries.count, precedes(child + 1, child) { child += 1 }
            guard precedes(child, parent) else { return first }
            entries.swapAt(child, parent)
            parent = child
        }
    }

    private func precedes(_ left: Int, _ right: Int) -> Bool {
        entries[left].time != entries[right].time
            ? entries[left].time < entries[right].time
            : entries[left].sequence < entries[right].sequence
    }
}
