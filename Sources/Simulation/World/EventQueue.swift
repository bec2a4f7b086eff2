internal import IPsecPrimitives

/// What is to happen, the earliest first; of one moment, what was scheduled first.
struct EventQueue<Event> {
    struct Entry {
        let time: UInt64
        let event: Event
    }

    /// What is sorted; the events themselves stay where they are.
    private struct Place {
        let time: UInt64
        let sequence: UInt64
        let slot: Int

        static func < (left: Place, right: Place) -> Bool {
            left.time != right.time ? left.time < right.time : left.sequence < right.sequence
        }
    }

    private var heap: [Place] = []
    private var events: [Event?] = []
    private var freeSlots: [Int] = []
    private var lastSequence: UInt64 = 0

    var count: Int { heap.count }
    var nextTime: UInt64? { heap.first?.time }

    mutating func schedule(_ event: Event, at time: UInt64) {
        lastSequence += 1
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
            events[slot] = event
        } else {
            slot = events.count
            events.append(event)
        }
        let place = Place(time: time, sequence: lastSequence, slot: slot)
        heap.append(place)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard place < heap[parent] else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = place
    }

    mutating func popFirst() -> Entry? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty { sink(last) }
        freeSlots.append(first.slot)
        return events[first.slot].take().map { Entry(time: first.time, event: $0) }
    }

    /// Puts a place where the first one was, and from there to where it belongs.
    private mutating func sink(_ place: Place) {
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
            guard heap[child] < place else { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = place
    }
}
