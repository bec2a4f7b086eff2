internal import CPacketCipher
internal import IPsecCrypto

/// The datagrams of one outbound batch: one slab that they lie in behind one another, the jobs
/// for the ciphers, and the runs that go out in one call each.
@safe struct SealBatch: ~Copyable {
    /// Jobs behind one another that belong to one SA.
    private struct Group {
        var slot: Int
        var firstJob: Int
        var count: Int
    }

    /// What UDP over IPv4 carries at most: 65,535 less both headers.
    private static let maximumRunOctets = 65_507
    /// A read of 64 KiB cut into segments of 536 octets (RFC 9293 §3.7.1), each with the longest
    /// headers, still fits.
    private static let readOctets = 160 << 10
    private static let readJobs = 256
    /// And one cut into segments of 88 octets, as of a peer that announces hardly more: these find room,
    /// though a batch does not end for them before.
    private static let mostReadJobs = 768

    let slab: UnsafeMutableRawPointer
    let runs: UnsafeMutablePointer<DatagramRun>
    private(set) var runCount = 0
    private let capacity: Int
    private var used = 0
    private let jobs: UnsafeMutablePointer<cygnet_packet_job>
    /// Octets before each job's ESP or AH that are the datagram's.
    private let prefixes: UnsafeMutablePointer<UInt16>
    /// What AH covers of the headers before it.
    private let covered: UnsafeMutableRawPointer
    private let groups: UnsafeMutablePointer<Group>
    /// Jobs of a batch that is full, and those that it can hold.
    private let limit: Int
    private let maximumJobs: Int
    private let maximumSegments: Int
    private(set) var jobCount = 0
    private var sealedJobs = 0
    private var groupCount = 0
    /// Whether the last run takes more datagrams.
    private var isRunOpen = false

    init(octets: Int, jobs maximumJobs: Int, segments: Int) {
        capacity = max(octets, SealBatch.readOctets + 64)
        limit = max(maximumJobs, SealBatch.readJobs)
        self.maximumJobs = limit + SealBatch.mostReadJobs - SealBatch.readJobs
        maximumSegments = max(segments, 1)
        unsafe slab = .allocate(byteCount: capacity, alignment: 64)
        unsafe jobs = .allocate(capacity: self.maximumJobs)
        unsafe prefixes = .allocate(capacity: self.maximumJobs)
        unsafe covered = .allocate(byteCount: CoveredHeader.maximumOctets, alignment: 64)
        unsafe groups = .allocate(capacity: self.maximumJobs)
        unsafe runs = .allocate(capacity: self.maximumJobs)
    }

    deinit {
        unsafe slab.deallocate()
        unsafe jobs.deallocate()
        unsafe prefixes.deallocate()
        unsafe covered.deallocate()
        unsafe groups.deallocate()
        unsafe runs.deallocate()
    }

    /// Whether one more read of any size fits, and before it what takes so much.
    func hasRoom(besides octets: Int, jobs: Int) -> Bool {
        capacity - used >= SealBatch.readOctets + octets
            && limit - jobCount >= SealBatch.readJobs + jobs
    }

    var isSealed: Bool { sealedJobs == jobCount }

    @inline(__always)
    func fits(_ octets: Int) -> Bool { capacity &- used >= octets && jobCount < maximumJobs }

    /// Takes the place of the next datagram, which begins where the result points: with its IP
    /// header of `prefix` octets, if it has one, and then ESP or AH. Precondition: `fits(octets)`.
    @inline(__always)
    mutating func append(
        octets: Int,
        bodyLength: Int,
        sequenceHigh: UInt32,
        slot: Int,
        pathGeneration: UInt32,
        trafficClass: UInt8,
        dontFragment: Bool,
        hopLimit: UInt8,
        prefix: Int
    ) -> UnsafeMutableRawPointer {
        let place = unsafe slab + used
        unsafe jobs[jobCount] = cygnet_packet_job(
            esp: (place + prefix).assumingMemoryBound(to: UInt8.self),
            body_length: UInt32(bodyLength),
            sequence_high: sequenceHigh,
            status: 0
        )
        unsafe prefixes[jobCount] = UInt16(truncatingIfNeeded: prefix)
        if groupCount > 0, unsafe groups[groupCount &- 1].slot == slot,
            unsafe groups[groupCount &- 1].firstJob >= sealedJobs
        {
            unsafe groups[groupCount &- 1].count &+= 1
        } else {
            unsafe groups[groupCount] = Group(slot: slot, firstJob: jobCount, count: 1)
            groupCount &+= 1
        }
        jobCount &+= 1
        extendRun(
            octets: octets,
            slot: slot,
            pathGeneration: pathGeneration,
            trafficClass: trafficClass,
            dontFragment: dontFragment,
            hopLimit: hopLimit,
            hasHeader: prefix != 0
        )
        used &+= octets
        return unsafe place
    }

    @inline(__always)
    private mutating func extendRun(
        octets: Int,
        slot: Int,
        pathGeneration: UInt32,
        trafficClass: UInt8,
        dontFragment: Bool,
        hopLimit: UInt8,
        hasHeader: Bool
    ) {
        if isRunOpen {
            let run = unsafe runs + (runCount &- 1)
            if unsafe run.pointee.slot == slot, unsafe octets <= run.pointee.segmentSize,
                unsafe run.pointee.trafficClass == trafficClass,
                unsafe run.pointee.dontFragment == dontFragment,
                unsafe run.pointee.hopLimit == hopLimit,
                unsafe run.pointee.hasHeader == hasHeader,
                unsafe run.pointee.count < maximumSegments,
                unsafe run.pointee.byteCount &+ octets <= SealBatch.maximumRunOctets
            {
                unsafe run.pointee.count &+= 1
                unsafe run.pointee.byteCount &+= octets
                isRunOpen = unsafe octets == run.pointee.segmentSize
                return
            }
        }
        unsafe runs[runCount] = DatagramRun(
            offset: used,
            byteCount: octets,
            segmentSize: octets,
            count: 1,
            slot: slot,
            pathGeneration: pathGeneration,
            trafficClass: trafficClass,
            dontFragment: dontFragment,
            hopLimit: hopLimit,
            hasHeader: hasHeader
        )
        runCount &+= 1
        isRunOpen = true
    }

    /// Seals what is not yet; returns how many packets are lost because a cipher refused some. The
    /// runs that hold one of those are taken out: nothing that was not sealed may leave.
    mutating func seal(
        _ associations: UnsafeMutablePointer<OutboundSA>,
        _ desk: Unmanaged<CipherDesk>?
    ) -> Int {
        for index in 0..<groupCount where unsafe groups[index].firstJob >= sealedJobs {
            let group = unsafe groups[index]
            switch unsafe associations[group.slot].transform {
            case .cipher(let cipher):
                let first = unsafe jobs + group.firstJob
                unsafe cipher._withUnsafeGuaranteedRef {
                    unsafe $0.seal(first, count: group.count)
                }
            case .authenticator(let authenticator):
                let length = unsafe associations[group.slot].authenticationLength
                unsafe authenticator._withUnsafeGuaranteedRef {
                    authenticate(group, $0, length: length)
                }
            case .spread(let cipher):
                unsafe seal(group, cipher, desk)
            }
        }
        var failures: UInt32 = 0
        for index in sealedJobs..<jobCount { failures |= unsafe jobs[index].status }
        let lost = failures == 0 ? 0 : removeFailedRuns()
        sealedJobs = jobCount
        isRunOpen = false
        return lost
    }

    private func seal(
        _ group: Group,
        _ cipher: Unmanaged<SpreadCipher>,
        _ desk: Unmanaged<CipherDesk>?
    ) {
        let first = unsafe jobs + group.firstJob
        if let desk = unsafe desk {
            unsafe desk._withUnsafeGuaranteedRef {
                unsafe $0.seal(first, count: group.count, cipher)
            }
        } else {
            unsafe cipher._withUnsafeGuaranteedRef {
                unsafe $0.own.seal(first, count: group.count)
            }
        }
    }

    /// Gives the packets of an SA of AH their ICVs.
    private func authenticate(_ group: Group, _ authenticator: PacketAuthenticator, length: Int) {
        for index in group.firstJob..<group.firstJob + group.count {
            let header: UnsafeMutableRawPointer = unsafe UnsafeMutableRawPointer(jobs[index].esp)
            let prefix = Int(unsafe prefixes[index])
            let packet = unsafe header - prefix
            let isDone =
                unsafe CoveredHeader.write(
                    to: covered,
                    from: packet,
                    length: prefix,
                    isV4: packet.read8(0) >> 4 == 4
                )
                && authenticator.seal(
                    header: covered,
                    headerLength: prefix,
                    authenticationHeader: header,
                    length: length,
                    payloadLength: Int(jobs[index].body_length),
                    sequenceHigh: jobs[index].sequence_high
                ) == .done
            unsafe jobs[index].status =
                isDone ? CYGNET_PACKET_OK.rawValue : CYGNET_PACKET_LIBRARY_FAILURE.rawValue
        }
    }

    @inline(never)
    private mutating func removeFailedRuns() -> Int {
        var lost = 0
        for job in sealedJobs..<jobCount where unsafe jobs[job].status != 0 {
            let offset = unsafe UnsafeMutableRawPointer(jobs[job].esp) - slab
            for index in 0..<runCount {
                let run = unsafe runs[index]
                guard run.offset <= offset, offset < run.offset + run.byteCount else { continue }
                lost += run.count
                unsafe runs[index].count = 0
                unsafe runs[index].byteCount = 0
            }
        }
        // A run of nothing would leave as an empty datagram.
        var kept = 0
        for index in 0..<runCount where unsafe runs[index].count > 0 {
            unsafe runs[kept] = runs[index]
            kept += 1
        }
        runCount = kept
        return lost
    }

    /// The SA's slot of a job. Precondition: there is such a job.
    func slot(ofJob job: Int) -> Int {
        var index = groupCount - 1
        while index > 0, unsafe groups[index].firstJob > job { index -= 1 }
        return unsafe groups[index].slot
    }

    /// Where a job's datagram lies.
    @unsafe struct Place {
        var start: UnsafeMutableRawPointer
        /// Octets of IP header before ESP or AH.
        var prefix: Int
        var bodyLength: Int
        var sequenceHigh: UInt32
    }

    /// Precondition: there is such a job.
    func place(ofJob job: Int) -> Place {
        let header: UnsafeMutableRawPointer = unsafe UnsafeMutableRawPointer(jobs[job].esp)
        let prefix = Int(unsafe prefixes[job])
        return unsafe Place(
            start: header - prefix,
            prefix: prefix,
            bodyLength: Int(jobs[job].body_length),
            sequenceHigh: jobs[job].sequence_high
        )
    }

    mutating func reset() {
        used = 0
        jobCount = 0
        sealedJobs = 0
        groupCount = 0
        runCount = 0
        isRunOpen = false
    }
}
