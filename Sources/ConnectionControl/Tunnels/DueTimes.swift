internal import Configuration
internal import IPsecPrimitives

/// Something that control does when its time has come.
enum ControlTimer: Hashable {
    /// A tunnel is wanted and was not up when last seen.
    case retry(TunnelPath)
    /// Pairs of the same traffic are missing.
    case resources(TunnelPath)
    /// Pairs for some DSCPs alone may be missing.
    case classes(TunnelPath)
    /// What a host name stands for may have changed.
    case name(String)
    /// What was believed of the path to a peer is to be doubted.
    case pathMTU(IPAddress)
    /// The next probe of the path to a peer.
    case probePath(IPAddress)
}

/// What is due when, the next first: setting and taking cost the logarithm of their number.
struct DueTimes {
    private struct Entry {
        let due: Instant
        /// Of two that are due at once, the one set first goes first.
        let number: UInt64
        let timer: ControlTimer

        static func < (left: Entry, right: Entry) -> Bool {
            (left.due, left.number) < (right.due, right.number)
        }
    }

    /// What counts: the heap may hold older entries of a timer.
    private var current: [ControlTimer: UInt64] = [:]
    private var heap: [Entry] = []
    private var lastNumber: UInt64 = 0

    subscript(isSet timer: ControlTimer) -> Bool { current[timer] != nil }

    var count: Int { current.count }
    var entryCount: Int { heap.count }

    mutating func set(_ timer: ControlTimer, at due: Instant) {
        lastNumber += 1
        current[timer] = lastNumber
        heap.append(Entry(due: due, number: lastNumber, timer: timer))
        var child = heap.count - 1
        while child > 0, heap[child] < heap[(child - 1) / 2] {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
        // Entries that no longer count must not outnumber those that do without end.
        if heap.count > 2 * current.count + 64 { rebuild() }
    }

    mutating func cancel(_ timer: ControlTimer) {
        current[timer] = nil
    }

    /// When the next one is due; nil: never.
    mutating func next() -> Instant? {
        while let first = heap.first {
            if current[first.timer] == first.number { return first.due }
            removeFirst()
        }
        return nil
    }

    /// Takes one that is due, the earliest first.
    mutating func take(at now: Instant) -> ControlTimer? {
        guard let due = next(), due <= now, let first = heap.first else { return nil }
        removeFirst()
        current[first.timer] = nil
        return first.timer
    }

    private mutating func rebuild() {
        heap = heap.filter { current[$0.timer] == $0.number }.sorted { $0 < $1 }
    }

    private mutating func removeFirst() {
        let last = heap.removeLast()
        guard !heap.isEmpty else { return }
        heap[0] = last
        var parent = 0
        while 2 * parent + 1 < heap.count {
            var child = 2 * parent + 1
            if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
            guard heap[child] < heap[parent] else { return }
            heap.swapAt(child, parent)
            parent = child
        }
    }
}
