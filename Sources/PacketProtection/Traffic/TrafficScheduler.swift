internal import IPsecPrimitives

/// What waits for its turn, and whose turn it is: a rate of the gateway over rates of shapers over
/// classes.
///
/// Of all that may leave, the classes with the lowest priority number come first, whatever shaper they
/// belong to. Among shapers, and among classes of one priority within one, turns go round by deficit
/// (Shreedhar and Varghese, 1995): each has its share, and whom others leave it has more. A shaper or a
/// class that has overdrawn its rate leaves the round, and the calendar says when it is back; so each
/// step looks at what may leave, however much may not.
///
/// Packets of one class leave in the order in which they came. Nothing here has a number yet: those of
/// the SA are given when a packet leaves.
struct TrafficScheduler: ~Copyable {
    /// A shaper at one priority, in the round of that priority while something may leave there.
    private struct Turn {
        var next: Int32 = -1
        var previous: Int32 = -1
        var isIn = false
        var deficit = 0
    }

    private static let levels = TrafficClass.priorities.count
    /// Where neither shaper nor gateway has a rate.
    private static let noRate: UInt64 = 10_000_000_000

    var pool = FramePool()
    private(set) var shapers: [Shaper] = []
    private(set) var queues: [ClassQueue] = []
    private var frames: [QueuedFrame] = []
    private var classifier = TrafficClassifier()
    private var gateway: TokenBucket?
    /// Whether packets wait for it alone.
    private var gatewayIsAwaited = false
    private var turns: [Turn] = []
    /// Whose turn it is, by priority; -1 for nobody.
    private var heads = [Int32](repeating: -1, count: TrafficScheduler.levels)
    private var calendar = Calendar()
    private var quantum = ClassQueue.packet
    private(set) var frameCount = 0

    struct Shaper {
        let identifier: UInt32
        let firstQueue: Int
        let queueCount: Int
        let weight: Int
        let quantum: Int
        let rules: TrafficClassifier.RuleSet
        var bucket: TokenBucket?
        var isBlocked = false
        /// Classes in which something waits.
        var busyCount = 0
        /// The class whose turn it is, by priority, counted from `firstQueue`.
        var cursors = InlineArray<8, UInt8>(repeating: 0)
    }

    // MARK: Coming

    /// The queue of a packet of a shaper.
    func queue(of packet: InnerPacket, mark: UInt8, shaper: Int) -> Int {
        shapers[shaper].firstQueue
            &+ classifier.category(of: packet, mark: mark, in: shapers[shaper].rules)
    }

    /// Takes a copy of a frame; of a superpacket as many segments as there is room for. What does not
    /// fit is counted.
    mutating func enqueue(
        _ frame: UnsafeMutableRawPointer,
        byteCount: Int,
        device: UInt16,
        mark: UInt8,
        _ shape: FrameShape,
        queue: Int,
        drops: borrowing DropCounters,
        at now: UInt64
    ) {
        let blocks = FramePool.blocks(for: byteCount)
        let segments = accepted(shape, blocks: blocks, queue: queue)
        if segments < shape.segments {
            queues[queue].counts.droppedFull &+= UInt64(shape.segments &- segments)
            drops.count(.classQueueFull, shape.segments &- segments)
        }
        guard segments > 0 else { return }
        wake(at: now)
        if queues[queue].isEmpty { begin(queue, at: now) }
        let place = unsafe pool.store(frame, byteCount: byteCount)
        frames[place] = QueuedFrame(
            byteCount: Int32(byteCount),
            blocks: Int32(blocks),
            endSegment: Int32(segments),
            isCut: segments < shape.segments,
            device: device,
            mark: mark,
            headers: Int32(shape.headers),
            segmentOctets: Int32(shape.segmentOctets),
            lastOctets: Int32(shape.lastOctets),
            segmentPayload: Int32(shape.segmentPayload),
            since: now
        )
        append(place, to: queue)
    }

    /// Takes note that something will wait where nothing did: what rates saved up until now is a burst,
    /// and from now on they are waited for.
    private mutating func begin(_ queue: Int, at now: UInt64) {
        let shaper = Int(queues[queue].shaper)
        queues[queue].ceiling?.fill(at: now)
        if shapers[shaper].busyCount == 0 { shapers[shaper].bucket?.fill(at: now) }
        shapers[shaper].busyCount &+= 1
        if queues[queue].deficit <= 0 {
            queues[queue].deficit &+= shapers[shaper].quantum &* queues[queue].weight
        }
    }

    /// How many segments of a frame there is room for.
    private func accepted(_ shape: FrameShape, blocks: Int, queue: Int) -> Int {
        let target = queues[queue]
        // Whoever has much of the memory gets no more of it than is left: others find room always.
        let share = target.isFirst ? 8 &* pool.freeCount : pool.freeCount
        guard blocks <= pool.freeCount, target.blocks &+ blocks <= share else { return 0 }
        let room = target.limit &- target.counts.waitingOctets
        let fitting = max(room, 0) / max(shape.segmentOctets, 1)
        if fitting >= shape.segments { return shape.segments }
        return target.isEmpty ? max(fitting, 1) : fitting
    }

    private mutating func append(_ place: Int, to queue: Int) {
        let frame = frames[place]
        frameCount &+= 1
        queues[queue].blocks &+= Int(frame.blocks)
        queues[queue].counts.waitingPackets &+= frame.segments
        queues[queue].counts.waitingOctets &+= frame.octets(ofNext: frame.segments)
        let tail = queues[queue].tail
        queues[queue].tail = Int32(place)
        guard tail < 0 else {
            frames[Int(tail)].next = Int32(place)
            return
        }
        queues[queue].head = Int32(place)
        enter(queue)
    }

    // MARK: Leaving

    /// What leaves its queue now, to be sent or to be dropped; nil when nothing may. `finish` is to be
    /// called with it before anything else.
    mutating func next(at now: UInt64) -> Departure? {
        guard frameCount > 0 else {
            gatewayIsAwaited = false
            return nil
        }
        wake(at: now)
        gateway?.fill(at: now, isAwaited: gatewayIsAwaited)
        gatewayIsAwaited = false
        if let gateway, !gateway.gives {
            gatewayIsAwaited = true
            return nil
        }
        for level in 0..<TrafficScheduler.levels {
            while heads[level] >= 0 {
                let turn = Int(heads[level])
                let shaper = turn / TrafficScheduler.levels
                if turns[turn].deficit <= 0 {
                    turns[turn].deficit &+= quantum &* shapers[shaper].weight
                    heads[level] = turns[turn].next
                    continue
                }
                let queue = pick(shaper, level)
                guard queue >= 0 else {
                    leave(turn, level)
                    turns[turn].deficit = min(turns[turn].deficit, 0)
                    continue
                }
                return depart(queue, turn, at: now)
            }
        }
        return nil
    }

    /// Gives back the memory of what has left.
    mutating func finish(_ departure: Departure) {
        if departure.isLast { pool.free(departure.frame) }
    }

    /// When something may leave, at the soonest; nil while nothing waits.
    func nextTime(at now: UInt64) -> UInt64? {
        guard frameCount > 0 else { return nil }
        let gatewayTime = gateway.map { $0.gives ? now : $0.nextTime } ?? now
        if heads.contains(where: { $0 >= 0 }) { return gatewayTime }
        return max(calendar.first ?? now, gatewayTime)
    }

    /// The class of a shaper whose turn it is; -1 where none has anything that may leave.
    private mutating func pick(_ shaper: Int, _ level: Int) -> Int {
        let first = shapers[shaper].firstQueue
        let count = shapers[shaper].queueCount
        while true {
            var isAny = false
            let cursor = Int(shapers[shaper].cursors[level])
            for step in 0..<count {
                let offset = cursor &+ step < count ? cursor &+ step : cursor &+ step &- count
                let queue = first &+ offset
                guard queues[queue].level == level, !queues[queue].isEmpty,
                    !queues[queue].isBlocked
                else { continue }
                isAny = true
                if queues[queue].deficit > 0 {
                    shapers[shaper].cursors[level] = UInt8(offset)
                    return queue
                }
                queues[queue].deficit &+= shapers[shaper].quantum &* queues[queue].weight
            }
            if !isAny { return -1 }
        }
    }

    /// Takes the next of a queue that is not empty.
    private mutating func depart(_ queue: Int, _ turn: Int, at now: UInt64) -> Departure {
        let place = Int(queues[queue].head)
        let frame = frames[place]
        let delay = now > frame.since ? now &- frame.since : 0
        if delay > queues[queue].patience {
            queues[queue].counts.droppedExpired &+= UInt64(frame.segments)
            return take(frame.segments, of: place, queue, reason: .classExpired)
        }
        let isLast = queues[queue].counts.waitingOctets <= ClassQueue.packet
        let target = queues[queue].target
        if queues[queue].control.drops(delay: delay, target: target, isLast: isLast, at: now) {
            queues[queue].counts.droppedDelay &+= 1
            return take(1, of: place, queue, reason: .classDelay)
        }
        let fitting = queues[queue].slice / max(Int(frame.segmentOctets), 1)
        let count = min(max(fitting, 1), frame.segments)
        let octets = frame.octets(ofNext: count)
        queues[queue].note(delay: delay)
        queues[queue].counts.sentPackets &+= UInt64(count)
        queues[queue].counts.sentOctets &+= UInt64(octets)
        let departure = take(count, of: place, queue, reason: nil)
        charge(octets, queue, turn, at: now)
        return departure
    }

    private mutating func take(
        _ count: Int,
        of place: Int,
        _ queue: Int,
        reason: DropReason?
    ) -> Departure {
        let frame = frames[place]
        let start = Int(frame.firstSegment)
        let isLast = consume(count, of: place, queue)
        let isWhole = isLast && start == 0 && !frame.isCut
        return Departure(
            frame: place,
            byteCount: Int(frame.byteCount),
            device: frame.device,
            mark: frame.mark,
            since: frame.since,
            headers: Int(frame.headers),
            segmentPayload: isWhole ? 0 : Int(frame.segmentPayload),
            segments: start..<start &+ count,
            isLast: isLast,
            reason: reason
        )
    }

    /// Takes segments off the head of a queue.
    ///
    /// - Returns: whether nothing of the frame is left; its memory is still taken.
    private mutating func consume(_ segments: Int, of place: Int, _ queue: Int) -> Bool {
        let frame = frames[place]
        queues[queue].counts.waitingPackets &-= segments
        queues[queue].counts.waitingOctets &-= frame.octets(ofNext: segments)
        frames[place].firstSegment &+= Int32(segments)
        guard frames[place].segments == 0 else { return false }
        frameCount &-= 1
        queues[queue].blocks &-= Int(frame.blocks)
        queues[queue].head = frame.next
        if frame.next < 0 {
            queues[queue].tail = -1
            // Who has nothing to send saves nothing up, and what was taken too much stays owed.
            queues[queue].deficit = min(queues[queue].deficit, 0)
            queues[queue].control.queueIsEmpty()
            shapers[Int(queues[queue].shaper)].busyCount &-= 1
        }
        return true
    }

    private mutating func charge(_ octets: Int, _ queue: Int, _ turn: Int, at now: UInt64) {
        let shaper = Int(queues[queue].shaper)
        queues[queue].deficit &-= octets
        turns[turn].deficit &-= octets
        gateway?.take(octets: octets)
        if var ceiling = queues[queue].ceiling {
            ceiling.fill(at: now, isAwaited: true)
            ceiling.take(octets: octets)
            queues[queue].ceiling = ceiling
            if !ceiling.gives {
                queues[queue].isBlocked = true
                calendar.add(Int32(queue) &* 2 &+ 1, at: ceiling.nextTime)
            }
        }
        guard var bucket = shapers[shaper].bucket else { return }
        bucket.fill(at: now, isAwaited: true)
        bucket.take(octets: octets)
        shapers[shaper].bucket = bucket
        if !bucket.gives { block(shaper, until: bucket.nextTime) }
    }

    // MARK: Rounds

    private mutating func block(_ shaper: Int, until time: UInt64) {
        shapers[shaper].isBlocked = true
        calendar.add(Int32(shaper) &* 2, at: time)
        for level in 0..<TrafficScheduler.levels {
            leave(shaper &* TrafficScheduler.levels &+ level, level)
        }
    }

    /// Lets back what may send again.
    private mutating func wake(at now: UInt64) {
        while let item = calendar.take(at: now) {
            if item & 1 != 0 {
                let queue = Int(item / 2)
                queues[queue].isBlocked = false
                let isAwaited = !queues[queue].isEmpty
                queues[queue].ceiling?.fill(at: now, isAwaited: isAwaited)
                if isAwaited { enter(queue) }
                continue
            }
            let shaper = Int(item / 2)
            shapers[shaper].isBlocked = false
            let first = shapers[shaper].firstQueue
            var isAwaited = false
            for queue in first..<first &+ shapers[shaper].queueCount
            where !queues[queue].isEmpty {
                enter(queue)
                isAwaited = true
            }
            shapers[shaper].bucket?.fill(at: now, isAwaited: isAwaited)
        }
    }

    /// Has the shaper of a queue that is not empty take part in the round of its priority.
    private mutating func enter(_ queue: Int) {
        let shaper = Int(queues[queue].shaper)
        guard !queues[queue].isBlocked, !shapers[shaper].isBlocked else { return }
        let level = queues[queue].level
        let turn = shaper &* TrafficScheduler.levels &+ level
        guard !turns[turn].isIn else { return }
        turns[turn].isIn = true
        // Who comes has a turn in this round.
        if turns[turn].deficit <= 0 {
            turns[turn].deficit &+= quantum &* shapers[shaper].weight
        }
        let head = heads[level]
        guard head >= 0 else {
            turns[turn].next = Int32(turn)
            turns[turn].previous = Int32(turn)
            heads[level] = Int32(turn)
            return
        }
        let last = turns[Int(head)].previous
        turns[turn].next = head
        turns[turn].previous = last
        turns[Int(last)].next = Int32(turn)
        turns[Int(head)].previous = Int32(turn)
    }

    private mutating func leave(_ turn: Int, _ level: Int) {
        guard turns[turn].isIn else { return }
        let node = turns[turn]
        turns[turn].isIn = false
        if node.next == Int32(turn) {
            heads[level] = -1
        } else {
            turns[Int(node.previous)].next = node.next
            turns[Int(node.next)].previous = node.previous
            if heads[level] == Int32(turn) { heads[level] = node.next }
        }
    }
}

// MARK: Plans

extension TrafficScheduler {
    /// Puts another plan in force. What waits in a shaper that stays, with as many classes, goes on
    /// waiting; the rest is dropped and counted.
    mutating func adopt(_ plan: TrafficPlan, drops: borrowing DropCounters, at now: UInt64) {
        let oldShapers = shapers
        let oldQueues = queues
        if !plan.isEmpty { prepare() }
        gateway = plan.rate.map { rate in
            gateway?.changed(to: rate, at: now) ?? TokenBucket(rate: rate, at: now)
        }
        quantum = ClassQueue.slice(plan.rate ?? TrafficScheduler.noRate)
        classifier = TrafficClassifier()
        shapers = []
        queues = []
        for shaper in plan.shapers { append(shaper, of: plan, at: now) }
        turns = Array(repeating: Turn(), count: shapers.count * TrafficScheduler.levels)
        heads = Array(repeating: -1, count: TrafficScheduler.levels)
        calendar.removeAll()
        calendar.reserve(shapers.count + queues.count)
        var places: [UInt32: Int] = [:]
        for (index, shaper) in shapers.enumerated() { places[shaper.identifier] = index }
        for old in oldShapers {
            let place = places[old.identifier]
            let isSame = place.map { shapers[$0].queueCount == old.queueCount } ?? false
            for offset in 0..<old.queueCount {
                let queue = oldQueues[old.firstQueue + offset]
                if let place, isSame {
                    takeOver(queue, to: shapers[place].firstQueue + offset)
                } else {
                    discard(queue, drops)
                }
            }
            if let place, isSame { takeOver(old, to: place, at: now) }
        }
        for queue in queues.indices where !queues[queue].isEmpty {
            shapers[Int(queues[queue].shaper)].busyCount += 1
            enter(queue)
        }
    }

    private mutating func prepare() {
        pool.prepare()
        if frames.isEmpty {
            frames = Array(repeating: QueuedFrame(), count: FramePool.capacity)
        }
    }

    private mutating func append(_ shaper: TrafficShaper, of plan: TrafficPlan, at now: UInt64) {
        precondition(!shaper.classes.isEmpty && shaper.classes.count <= TrafficClass.limit)
        let rate = min(shaper.rate ?? .max, plan.rate ?? .max, 400_000_000_000)
        let numbers = Set(shaper.classes.map(\.priority))
        let first = queues.count
        for category in shaper.classes {
            queues.append(
                ClassQueue(
                    category,
                    of: shapers.count,
                    rate: rate,
                    isFirst: numbers.count > 1 && category.priority == numbers.min(),
                    at: now
                )
            )
        }
        shapers.append(
            Shaper(
                identifier: shaper.identifier,
                firstQueue: first,
                queueCount: shaper.classes.count,
                weight: shaper.weight,
                quantum: ClassQueue.slice(rate),
                rules: classifier.add(shaper.classes),
                bucket: shaper.rate.map { TokenBucket(rate: $0, at: now) }
            )
        )
    }

    private mutating func takeOver(_ old: ClassQueue, to queue: Int) {
        queues[queue].head = old.head
        queues[queue].tail = old.tail
        queues[queue].blocks = old.blocks
        queues[queue].control = old.control
        queues[queue].counts = old.counts
    }

    private mutating func takeOver(_ old: Shaper, to place: Int, at now: UInt64) {
        guard let rate = shapers[place].bucket?.rate, let bucket = old.bucket else { return }
        let changed = bucket.changed(to: rate, at: now)
        shapers[place].bucket = changed
        if !changed.gives { block(place, until: changed.nextTime) }
    }

    private mutating func discard(_ queue: ClassQueue, _ drops: borrowing DropCounters) {
        var place = queue.head
        while place >= 0 {
            let frame = frames[Int(place)]
            drops.count(.classExpired, frame.segments)
            frameCount -= 1
            pool.free(Int(place))
            place = frame.next
        }
    }

    var counts: [TrafficShaperCounts] {
        shapers.map { shaper in
            TrafficShaperCounts(
                identifier: shaper.identifier,
                classes: (0..<shaper.queueCount).map { queues[shaper.firstQueue + $0].counts }
            )
        }
    }
}
