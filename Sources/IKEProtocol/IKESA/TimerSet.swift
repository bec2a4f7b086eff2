internal import IPsecPrimitives

/// What one SA waits for, and until when: a handful at most, so that a row of them is smaller and
/// faster than a table. In the order in which they were set.
struct TimerSet: Sequence, ExpressibleByDictionaryLiteral {
    typealias Element = (key: SATimer, value: Instant)

    private var entries: [Element] = []
    /// What an established SA waits for; room for it is made at once.
    private static let usualCount = 8

    init(dictionaryLiteral elements: (SATimer, Instant)...) {
        entries = elements.map { (key: $0, value: $1) }
    }

    private init(_ entries: [Element]) {
        self.entries = entries
    }

    var keys: [SATimer] { entries.map(\.key) }
    var isEmpty: Bool { entries.isEmpty }
    var count: Int { entries.count }

    subscript(timer: SATimer) -> Instant? {
        get { entries.first { $0.key == timer }?.value }
        set {
            let place = entries.firstIndex { $0.key == timer }
            switch (place, newValue) {
            case (let place?, let deadline?): entries[place].value = deadline
            case (let place?, nil): entries.remove(at: place)
            case (nil, let deadline?):
                if entries.isEmpty { entries.reserveCapacity(TimerSet.usualCount) }
                entries.append((key: timer, value: deadline))
            case (nil, nil): break
            }
        }
    }

    func makeIterator() -> IndexingIterator<[Element]> { entries.makeIterator() }

    func filter(_ isKept: (Element) -> Bool) -> TimerSet { TimerSet(entries.filter(isKept)) }
}
