internal import CPacketCipher
package import IPsecPrimitives

/// The inbound half of a worker: ESP datagrams become writes to the TUN device.
///
/// A batch is: any number of `receiveUDP` and `receiveESP` while `hasRoom`, one `open`, then
/// `deviceWrites` are written and `controlDatagrams` handed on, then `reset`. Packets are opened
/// in place in the caller's buffers, which must stay as they are until `open` has returned;
/// control datagrams until `reset`. Commands are applied between batches; one that comes within a
/// batch opens it first. One thread owns the processor.
@safe package struct InboundProcessor: ~Copyable {
    /// What is known of a packet besides its job.
    struct Arrival {
        var slot: Int
        var sequence: UInt64
        var buffer: Int
        /// Octets of headers before AH; 0 for ESP.
        var prefix = 0
    }

    /// One receive: who sent it, and how it was marked.
    struct Buffer {
        var source: Endpoint
        var local: Endpoint
        var trafficClass: UInt8
        var carrier: Encapsulation
        /// The outer TTL or hop limit; 0 where it was not seen.
        var hopLimit: UInt8
    }

    static let receiveOctets = 65_536
    /// The shortest ESP packet in UDP is far longer than an eighth of this many in 64 KiB.
    static let jobsPerReceive = 1024
    /// As many packets as 64 KiB of a train hold: the shortest has 20 octets.
    static let writesPerReceive = 3_277

    let jobs: UnsafeMutablePointer<cygnet_packet_job>
    let arrivals: UnsafeMutablePointer<Arrival>
    let buffers: UnsafeMutablePointer<Buffer>
    let control: UnsafeMutablePointer<ControlDatagram>
    /// Where a packet of transport mode gets its header back.
    let scratch: UnsafeMutableRawPointer
    let maximumJobs: Int
    let maximumOctets: Int
    var jobCount = 0
    var bufferCount = 0
    var controlCount = 0
    /// Octets of ESP packets in the batch.
    var octets = 0
    var coalescer: TCPCoalescer
    var associations: SlotTable<InboundSA>
    var spis = NumberTable()
    var keys: KeyPlaces
    var drops = DropCounters()
    var events = EventQueue()
    var fragments = KnownFragments()
    /// When the batch is being opened, in nanoseconds.
    var openedAt: UInt64 = 0
    var unknownLimit = RateLimit(perSecond: 4)
    var traces = TraceNotes()
    /// There once an SA with compression is.
    var decompression: PacketDeflate?
    /// Octets of the last packet that was made from a compressed one.
    var decompressedLength = 0
    /// Of policies whose packets have a device for themselves.
    private var deviceOfPolicy: [UInt32: UInt16] = [:]
    /// SPIs of what will be received.
    let announced: UnsafeMutablePointer<UInt32>
    var announcedCount = 0
    let crowd: Int
    var handOver: HandOver
    /// Of SAs by which trains come, and when something that waits there is waited for no longer.
    var unpackerSlots: [Int] = []
    var waitingDue = UInt64.max
    /// SAs with moves that control was not told of yet, and when the next of them may be told.
    var movedSlots: [Int] = []
    var moveDue = UInt64.max
    /// Octets and writes by which what comes out of trains, of transport mode and of compressed packets
    /// may exceed what went in.
    var growthOctets = 0
    var growthWrites = 0

    package init(
        _ configuration: PacketPathConfiguration,
        passages: WorkerPassages = .alone
    ) {
        handOver = HandOver(passages)
        maximumJobs = max(configuration.maximumJobs, 2 * InboundProcessor.jobsPerReceive)
        maximumOctets = max(
            configuration.slabOctets,
            PacketPathConfiguration.minimumSlabOctets
        )
        unsafe jobs = .allocate(capacity: maximumJobs)
        unsafe arrivals = .allocate(capacity: maximumJobs)
        unsafe buffers = .allocate(capacity: maximumJobs)
        unsafe control = .allocate(capacity: maximumJobs)
        unsafe scratch = .allocate(byteCount: InboundProcessor.receiveOctets, alignment: 64)
        unsafe announced = .allocate(capacity: InboundProcessor.maximumAnnounced)
        crowd = configuration.crowdedSAs
        // Each packet gets shorter; beside its own room there is room for open superpackets.
        coalescer = TCPCoalescer(
            octets: maximumOctets + 17 * InboundProcessor.receiveOctets,
            writes: maximumJobs + InboundProcessor.writesPerReceive,
            isEnabled: configuration.coalescesTCP
        )
        associations = SlotTable(capacity: configuration.maximumSAs)
        keys = KeyPlaces(capacity: configuration.maximumSAs)
    }

    deinit {
        for slot in associations.slotsInUse { unsafe associations.elements[slot].release() }
        unsafe jobs.deallocate()
        unsafe arrivals.deallocate()
        unsafe buffers.deallocate()
        unsafe control.deallocate()
        unsafe scratch.deallocate()
        unsafe announced.deallocate()
        decompression?.release()
    }

    /// Whether one more buffer of up to 64 KiB fits this batch.
    package var hasRoom: Bool {
        maximumOctets - octets - growthOctets >= InboundProcessor.receiveOctets
            && maximumJobs - jobCount - growthWrites >= InboundProcessor.jobsPerReceive
            && maximumJobs - controlCount >= InboundProcessor.jobsPerReceive
            && bufferCount < maximumJobs
            // Less than all of it where a command has opened what came before it.
            && coalescer.hasRoom(
                octets + growthOctets + 2 * InboundProcessor.receiveOctets,
                writes: jobCount + growthWrites + InboundProcessor.jobsPerReceive
            )
    }

    package var deviceWrites: UnsafeBufferPointer<DeviceWrite> {
        unsafe UnsafeBufferPointer(
            start: coalescer.output.writes,
            count: coalescer.output.writeCount
        )
    }

    /// Base of the offsets in `deviceWrites`.
    package var deviceBytes: UnsafeMutableRawPointer { unsafe coalescer.output.slab }

    package var controlDatagrams: UnsafeBufferPointer<ControlDatagram> {
        unsafe UnsafeBufferPointer(start: control, count: controlCount)
    }

    /// Forgets writes and control datagrams: their memory is free for the next batch.
    package mutating func reset() {
        jobCount = 0
        bufferCount = 0
        controlCount = 0
        octets = 0
        growthOctets = 0
        growthWrites = 0
        coalescer.output.reset()
    }

    package mutating func takeEvents() -> [PacketPathEvent] { events.take() }

    package var hasEvents: Bool { !events.isEmpty }

    /// Gives events away until one is not taken, which stays for the next call.
    package mutating func giveEvents(to take: (PacketPathEvent) -> Bool) { events.give(to: take) }

    package func snapshot() -> PacketPathSnapshot {
        PacketPathSnapshot(
            isOutbound: false,
            associations: associations.slotsInUse.map {
                unsafe associations.elements[$0].snapshot
            },
            drops: drops.copy,
            heldPackets: 0
        )
    }
}

// MARK: Commands

extension InboundProcessor {
    /// Carries out a command; those of the other direction alone are ignored.
    package mutating func apply(_ command: PacketPathCommand, at now: Instant) {
        if jobCount > 0 { open(at: now) }
        switch command {
        case .installInbound(let parameters): install(parameters)
        case .removeSA(let identifier):
            guard let slot = associations.slot(of: identifier.rawValue) else { return }
            spis.remove(unsafe associations.elements[slot].spi)
            unpackerSlots.removeAll { $0 == slot }
            movedSlots.removeAll { $0 == slot }
            unsafe associations.elements[slot].release()
            associations.remove(identifier: identifier.rawValue)
        case .updatePath(let identifier, let path):
            guard let slot = associations.slot(of: identifier.rawValue) else { return }
            unsafe associations.elements[slot].move(to: path)
        case .setLinkMTU(let identifier, let octets):
            guard let slot = associations.slot(of: identifier.rawValue) else { return }
            unsafe associations.elements[slot].setLinkMTU(octets)
        case .query(let token): events.post(.snapshot(token: token, snapshot()))
        case .replacePolicies(let entries): adoptDevices(of: CompiledPolicies(entries))
        case .adoptPolicies(let policies): adoptDevices(of: policies)
        case .ask(let token, let tuple): events.post(.answer(token: token, answer(tuple)))
        case .beginTrace(let tap): traces.begin(tap)
        case .endTrace(let identifier): traces.end(identifier)
        case .installOutbound, .activateOutbound, .dropHeldPackets, .dropHeldFlow,
            .setErrorSource, .setTraffic:
            return
        }
    }

    private mutating func install(_ parameters: InboundSAParameters) {
        let identifier = parameters.identifier
        guard associations.slot(of: identifier.rawValue) == nil,
            spis.find(parameters.spi.rawValue) < 0
        else {
            events.post(.commandFailed(identifier, .duplicate))
            return
        }
        guard let slot = associations.freeSlot else {
            events.post(.commandFailed(identifier, .tooManySAs))
            return
        }
        if parameters.compressionIndex != nil, decompression == nil {
            decompression = PacketDeflate()
        }
        var association = InboundSA(parameters)
        association.device = deviceOfPolicy[association.policy] ?? DeviceNumber.shared.rawValue
        associations.insert(
            association,
            identifier: identifier.rawValue,
            at: slot
        )
        spis.insert(parameters.spi.rawValue, slot)
        if parameters.carriage == .espAggregated { unpackerSlots.append(slot) }
        keys.enter(slot, parameters.transform)
    }

    /// What comes by an SA is for its policy's device, also from the next packet on where that
    /// changes. An SA whose policy is gone keeps its own, until it is removed.
    private mutating func adoptDevices(of policies: CompiledPolicies) {
        if policies.ownDevices.isEmpty, deviceOfPolicy.isEmpty { return }
        deviceOfPolicy = [:]
        for entry in policies.ownDevices {
            deviceOfPolicy[entry.identifier.rawValue] = entry.device.rawValue
        }
        for slot in associations.slotsInUse {
            let association = unsafe associations.elements + slot
            let policy = unsafe association.pointee.policy
            if let device = deviceOfPolicy[policy] {
                unsafe association.pointee.device = device
            } else if unsafe association.pointee.device != DeviceNumber.shared.rawValue,
                policies.identifiers.contains(PolicyIdentifier(rawValue: policy))
            {
                unsafe association.pointee.device = DeviceNumber.shared.rawValue
            }
        }
    }
}
