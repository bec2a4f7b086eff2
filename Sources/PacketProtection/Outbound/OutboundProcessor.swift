package import IPsecPrimitives

/// The outbound half of a worker: what the TUN device read becomes ESP datagrams.
///
/// A batch is: any number of `processRead` while `hasRoom`, one `seal`, then `runs` are sent and
/// `deviceWrites` written, then `reset`. Commands are applied between batches; one that comes
/// within a batch seals it first. One thread owns the processor.
@safe package struct OutboundProcessor: ~Copyable {
    static let readOctets = OffloadHeader.length + 65_535

    let readArea: UnsafeMutableRawPointer
    /// Where a segment is put together that has to be cut into fragments.
    let scratch: UnsafeMutableRawPointer
    var batch: SealBatch
    var errors: DeviceOutput
    var database = PolicyDatabase()
    var devices = DevicePolicies()
    var cache: FlowCache
    var associations: SlotTable<OutboundSA>
    var usable: UsableAssociations
    var keys: KeyPlaces
    var held: HeldPackets
    var flowAcquires = FlowAcquires()
    var assembly = FragmentAssembly()
    var fragments = KnownFragments()
    var drops = DropCounters()
    var events = EventQueue()
    var errorLimit: RateLimit
    var errorSourceV6: IPv6Address?
    /// Index of the next held packet to look at while some are being released; nil when none.
    var releaseCursor: Int?
    var staged = StagedReads()
    var handOver: HandOver
    var traces = TraceNotes()
    /// Of SAs that send by the clock too, and when the next of them does.
    var flowSlots: [Int] = []
    var flowDue = UInt64.max
    /// Packets so far that had to wait for their place in a train.
    var packetsQueued = 0
    var traffic = TrafficScheduler()
    var plan = TrafficPlan()
    /// Which of the configured marks the frame has that is looked at, 0 for none. What is staged has
    /// the same.
    var mark: UInt8 = 0
    /// Whether anything may have to wait for its turn.
    package private(set) var isShaping = false
    /// There once an SA with compression is.
    var compression: CompressionStage?
    /// Whether a packet lies there.
    var isCompressing = false
    let crowd: Int
    private let maximumAge: UInt64

    private static let errorsPerBatch = 32

    package init(
        _ configuration: PacketPathConfiguration,
        passages: WorkerPassages = .alone
    ) {
        handOver = HandOver(passages)
        unsafe readArea = .allocate(
            byteCount: OutboundProcessor.readOctets + 64,
            alignment: 64
        )
        unsafe scratch = .allocate(byteCount: 65_536, alignment: 64)
        batch = SealBatch(
            octets: max(
                configuration.slabOctets,
                PacketPathConfiguration.minimumSlabOctets
            ),
            jobs: configuration.maximumJobs,
            segments: configuration.maximumSegments
        )
        errors = DeviceOutput(
            octets: OutboundProcessor.errorsPerBatch * (TooBigMessage.maximumOctets + 16),
            writes: OutboundProcessor.errorsPerBatch
        )
        cache = FlowCache(count: max(configuration.flowCacheEntries, 2).nextPowerOfTwo)
        associations = SlotTable(capacity: configuration.maximumSAs)
        usable = UsableAssociations(capacity: configuration.maximumSAs)
        keys = KeyPlaces(capacity: configuration.maximumSAs)
        held = HeldPackets(configuration.held)
        crowd = configuration.crowdedSAs
        errorLimit = RateLimit(perSecond: configuration.errorsPerSecond)
        errorSourceV6 = configuration.errorSourceV6
        maximumAge = UInt64(max(configuration.held.maximumAge.wholeNanoseconds, 0))
    }

    deinit {
        for slot in associations.slotsInUse { unsafe associations.elements[slot].release() }
        unsafe readArea.deallocate()
        unsafe scratch.deallocate()
        compression?.release()
    }

    /// Where the next read of the TUN device goes: a virtio_net_hdr of 10 octets and a packet.
    package var readBuffer: UnsafeMutableRawBufferPointer {
        // The packet itself begins on a boundary of 16 octets.
        unsafe UnsafeMutableRawBufferPointer(
            start: readArea + 6,
            count: OutboundProcessor.readOctets
        )
    }

    /// Whether one more read of any size fits this batch; if not, `seal`, send and `reset`.
    package var hasRoom: Bool {
        batch.hasRoom(
            besides: staged.count &* StagedReads.octetsPerRead,
            jobs: staged.count &* StagedReads.jobsPerRead
        )
    }

    /// Whether packets were released that wait for `takeReleased`.
    package var hasReleasedPackets: Bool { releaseCursor != nil }

    /// What comes from here on by `processRead` has this of the configured marks, 0 being none of them.
    package mutating func begin(mark: UInt8, at now: Instant) {
        guard mark != self.mark else { return }
        if staged.count > 0 { processStaged(at: now.nanoseconds) }
        self.mark = mark
    }

    /// Takes what was read into `readBuffer` into the batch.
    package mutating func processRead(
        byteCount: Int,
        device: DeviceNumber = .shared,
        at now: Instant
    ) {
        let frame = unsafe readArea + 6
        if isCrowded, byteCount <= StagedReads.largestRead {
            return unsafe stage(
                frame,
                byteCount: byteCount,
                device: device.rawValue,
                at: now.nanoseconds
            )
        }
        if staged.count > 0 { processStaged(at: now.nanoseconds) }
        unsafe process(
            frame,
            byteCount: byteCount,
            device: device.rawValue,
            at: now.nanoseconds
        )
    }

    /// Takes held packets whose SA has come into the batch, as many as fit. Overwrites
    /// `readBuffer`.
    package mutating func takeReleased(at now: Instant) {
        guard var index = releaseCursor else { return }
        if staged.count > 0 { processStaged(at: now.nanoseconds) }
        let frame = unsafe readArea + 6
        while index < held.entries.count {
            guard hasRoom else {
                releaseCursor = index
                return
            }
            let entry = held.entries[index]
            mark = entry.mark
            unsafe held.copy(index, to: frame)
            let inner = unsafe innerPacket(
                of: frame,
                byteCount: entry.byteCount,
                device: entry.device
            )
            guard let packet = inner else {
                index += 1
                continue
            }
            let decision = unsafe decideHeld(frame, packet, at: now.nanoseconds)
            if decision.isTurnedAway, let way = unsafe returnWay(frame, packet, decision),
                way.kind == .acquire
            {
                index += 1
                continue
            }
            if decision.kind == .acquire {
                // The SA that came was narrowed to less (RFC 7296 §2.9): this packet needs another.
                acquire(packet, policy: Int(decision.policy), at: now.nanoseconds)
                index += 1
                continue
            }
            removeHeld(at: index)
            if traces.isOn {
                trace(
                    byteCount: entry.byteCount,
                    device: DeviceNumber(rawValue: entry.device),
                    heldFor: now.nanoseconds &- entry.since,
                    at: now
                )
                continue
            }
            unsafe process(
                frame,
                byteCount: entry.byteCount,
                device: entry.device,
                at: now.nanoseconds
            )
        }
        releaseCursor = nil
    }

    /// Seals the batch; `runs` and `deviceWrites` are then complete.
    package mutating func seal(at now: Instant) {
        if staged.count > 0 { processStaged(at: now.nanoseconds) }
        if isCompressing { flushCompression() }
        let lost = unsafe batch.seal(associations.elements, handOver.desk)
        if lost > 0 { drops.count(.sealFailed, lost) }
    }

    /// None is empty.
    package var runs: UnsafeBufferPointer<DatagramRun> {
        unsafe UnsafeBufferPointer(start: batch.runs, count: batch.runCount)
    }

    /// Base of the offsets in `runs`.
    package var datagrams: UnsafeMutableRawPointer { unsafe batch.slab }

    /// Errors for the inside, to be written to the TUN device.
    package var deviceWrites: UnsafeBufferPointer<DeviceWrite> {
        unsafe UnsafeBufferPointer(start: errors.writes, count: errors.writeCount)
    }

    /// Base of the offsets in `deviceWrites`.
    package var deviceBytes: UnsafeMutableRawPointer { unsafe errors.slab }

    /// Forgets runs and writes: their memory is free for the next batch.
    package mutating func reset() {
        batch.reset()
        errors.reset()
    }

    /// Precondition: `slot` is from a run of this batch.
    package func path(ofSlot slot: Int) -> OuterPath {
        unsafe associations.elements[slot].path
    }

    /// The largest outer packet in octets of an SA's path. Precondition: as for `path(ofSlot:)`.
    package func linkMTU(ofSlot slot: Int) -> Int {
        unsafe associations.elements[slot].linkMTU
    }

    /// Drops held packets that have waited too long; call every second or so.
    package mutating func expire(at now: Instant) {
        while let oldest = held.entries.first,
            now.nanoseconds &- oldest.since > maximumAge, now.nanoseconds > oldest.since
        {
            traceHeldDrop(0, .holdExpired, at: now)
            removeHeld(at: 0)
            drops.count(.holdExpired)
            if let cursor = releaseCursor { releaseCursor = max(cursor - 1, 0) }
        }
    }

    package mutating func takeEvents() -> [PacketPathEvent] { events.take() }

    package var hasEvents: Bool { !events.isEmpty }

    /// Gives events away until one is not taken, which stays for the next call.
    package mutating func giveEvents(to take: (PacketPathEvent) -> Bool) { events.give(to: take) }

    package func snapshot() -> PacketPathSnapshot {
        var result = PacketPathSnapshot(
            isOutbound: true,
            associations: associations.slotsInUse.map {
                unsafe associations.elements[$0].snapshot
            },
            drops: drops.copy,
            heldPackets: held.entries.count
        )
        result.traffic = traffic.counts
        return result
    }
}

// MARK: Commands

extension OutboundProcessor {
    /// Carries out a command; those of the other direction alone are ignored.
    package mutating func apply(_ command: PacketPathCommand, at now: Instant) {
        if staged.count > 0 || isCompressing || !batch.isSealed { seal(at: now) }
        switch command {
        case .installOutbound(let parameters): install(parameters, at: now)
        case .installInbound: return
        case .activateOutbound(let identifier): activate(identifier, at: now)
        case .removeSA(let identifier): remove(identifier)
        case .updatePath(let identifier, let path):
            guard let slot = associations.slot(of: identifier.rawValue) else { return }
            unsafe associations.elements[slot].move(to: path)
            // Other packets are what carries the tunnel now.
            usable.noteChange(slot, &database)
        case .replacePolicies(let entries): adopt(CompiledPolicies(entries), at: now)
        case .adoptPolicies(let policies): adopt(policies, at: now)
        case .dropHeldPackets(let policy): dropHeld(of: policy, nil, at: now)
        case .dropHeldFlow(let policy, let packet):
            dropHeld(of: policy, HeldFlow(packet), at: now)
        case .ask(let token, let tuple): events.post(.answer(token: token, answer(tuple)))
        case .beginTrace(let tap): traces.begin(tap)
        case .endTrace(let identifier): traces.end(identifier)
        case .setErrorSource(let address): errorSourceV6 = address
        case .setLinkMTU(let identifier, let octets):
            guard let slot = associations.slot(of: identifier.rawValue) else { return }
            unsafe associations.elements[slot].setLinkMTU(octets)
        case .setTraffic(let plan): adopt(plan, at: now)
        case .query(let token): events.post(.snapshot(token: token, snapshot()))
        }
    }

    private mutating func install(_ parameters: OutboundSAParameters, at now: Instant) {
        let identifier = parameters.identifier
        guard associations.slot(of: identifier.rawValue) == nil else {
            events.post(.commandFailed(identifier, .duplicate))
            return
        }
        guard let slot = associations.freeSlot else {
            events.post(.commandFailed(identifier, .tooManySAs))
            return
        }
        if parameters.compressionIndex != nil, compression == nil {
            compression = CompressionStage()
        }
        var association = OutboundSA(parameters)
        // The slot may have belonged to another: a socket address kept for it must not live on.
        association.pathGeneration = associations.generation(of: slot) << 16
        associations.insert(association, identifier: identifier.rawValue, at: slot)
        unsafe usable.enter(slot, associations.elements, &database)
        keys.enter(slot, parameters.transform)
        cache.makeRoom(for: associations.count)
        if parameters.isActive { activate(identifier, at: now) }
    }

    private mutating func activate(_ identifier: SAIdentifier, at now: Instant) {
        guard let slot = associations.slot(of: identifier.rawValue) else {
            events.post(.commandFailed(identifier, .unknownSA))
            return
        }
        unsafe usable.activate(slot, associations.elements, &database)
        cache.tellsCodePoints = usable.classCount > 0
        beginFlow(slot, at: now.nanoseconds)
        // Packets that it does not carry may ask for another at once.
        flowAcquires.forget(unsafe associations.elements[slot].policy)
        let policy = database.index(of: unsafe associations.elements[slot].policy)
        if policy >= 0 { unsafe database.policies[policy].hasAcquired = false }
        releaseCursor = held.entries.isEmpty ? nil : 0
    }

    private mutating func remove(_ identifier: SAIdentifier) {
        guard let slot = associations.slot(of: identifier.rawValue) else { return }
        unsafe usable.remove(slot, associations.elements, &database)
        cache.tellsCodePoints = usable.classCount > 0
        endFlow(slot)
        unsafe associations.elements[slot].release()
        associations.remove(identifier: identifier.rawValue)
    }

    private mutating func adopt(_ policies: CompiledPolicies, at now: Instant) {
        database.adopt(policies)
        devices.replace(policies.ownDevices)
        database.assignShapers(plan)
        cache.invalidate()
        recountHeld(at: now)
        releaseCursor = held.entries.isEmpty ? nil : 0
    }
    private mutating func adopt(_ plan: TrafficPlan, at now: Instant) {
        self.plan = plan
        isShaping = !plan.isEmpty
        traffic.adopt(plan, drops: drops, at: now.nanoseconds)
        database.assignShapers(plan)
    }
}
