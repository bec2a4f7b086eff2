/// What is to be looked at again, and when: the soonest first.
struct Calendar {
    private struct Entry {
        var time: UInt64
        var item: Int32
    }

    private var entries: [Entry] = []

    var first: UInt64? { entries.first?.time }

    mutating func removeAll() { entries.removeAll(keepingCapacity: true) }

    mutating func reserve(_ count: Int) { entries.reserveCapacity(count) }

    mutating func add(_ item: Int32, at time: UInt64) {
        entries.append(Entry(time: time, item: item))
        var place = entries.count &- 1
        while place > 0 {
            let parent = (place &- 1) / 2
            guard entries[place].time < entries[parent].time else { return }
            entries.swapAt(place, parent)
            place = parent
        }
    }

    /// The soonest, if it is due.
    mutating func take(at now: UInt64) -> Int32? {
        guard let first = entries.first, first.time <= now else { return nil }
        let last = entries.removeLast()
        guard !entries.isEmpty else { return first.item }
        entries[0] = last
        var place = 0
        while true {
            var child = 2 &* place &+ 1
            guard child < entries.count else { break }
            if child &+ 1 < entries.count, entries[child &+ 1].time < entries[child].time {
                child &+= 1
            }
            guard entries[child].time < entries[place].time else { break }
            entries.swapAt(place, child)
            place = child
        }
        return first.item
    }
}
