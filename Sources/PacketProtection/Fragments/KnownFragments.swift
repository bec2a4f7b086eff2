/// What the first fragments of packets showed, for those behind them, which have no ports (RFC 4301
/// §7.3).
///
/// Bounded: `capacity` packets, each in one of four places that its identification chooses; the
/// oldest there makes room. Nothing is kept of fragments behind the first.
@safe struct KnownFragments: ~Copyable {
    /// What a first fragment showed.
    struct First {
        var ports: UInt32
        var ipProtocol: UInt8
        /// Which of the configured marks it had; inbound 0.
        var mark: UInt8 = 0
        /// Of the SA that it came by; outbound 0.
        var policy: UInt32
        /// Octets of the packet's payload that it covers: what policy looked at lies there.
        var end: Int
    }

    private struct Entry {
        var source: UInt128 = 0
        var destination: UInt128 = 0
        var identification: UInt32 = 0
        /// Version, device, and over IPv4 the protocol: what tells packets apart besides.
        var kind: UInt32 = 0
        var first = First(ports: 0, ipProtocol: 0, policy: 0, end: 0)
        var since: UInt64 = 0
        var isUsed = false
    }

    static let capacity = 1024
    private static let ways = 4
    /// Fragments follow one another closely, while identifications of 16 bits come again soon
    /// (RFC 4963 §2).
    static let maximumAge: UInt64 = 2_000_000_000

    /// None until the first is noted: most gateways never see one.
    private var entries: UnsafeMutablePointer<Entry>?

    init() { unsafe entries = nil }

    deinit { unsafe entries?.deallocate() }

    /// Notes a first fragment, or forgets one of before that had the same identification.
    mutating func note(
        _ packet: InnerPacket,
        _ part: FragmentPart,
        policy: UInt32,
        mark: UInt8 = 0,
        at now: UInt64
    ) {
        let entries = unsafe self.entries ?? allocate()
        let place = unsafe entries + KnownFragments.place(packet, part)
        var chosen = 0
        for way in 0..<KnownFragments.ways {
            if unsafe KnownFragments.isOf(packet, part, place + way) {
                chosen = way
                break
            }
            if unsafe place[way].since < place[chosen].since { chosen = way }
        }
        unsafe place[chosen] = Entry(
            source: packet.source,
            destination: packet.destination,
            identification: part.identification,
            kind: KnownFragments.kind(packet),
            first: First(
                ports: packet.ports,
                ipProtocol: packet.ipProtocol,
                mark: mark,
                policy: policy,
                end: packet.totalLength - part.start
            ),
            since: now,
            isUsed: true
        )
    }

    /// What the first fragment of the packet showed that this one is of; nil where none was seen.
    func find(_ packet: InnerPacket, _ part: FragmentPart, at now: UInt64) -> First? {
        guard let entries = unsafe entries else { return nil }
        let place = unsafe entries + KnownFragments.place(packet, part)
        for way in 0..<KnownFragments.ways
        where unsafe KnownFragments.isOf(packet, part, place + way) {
            guard unsafe now &- place[way].since <= KnownFragments.maximumAge else { return nil }
            return unsafe place[way].first
        }
        return nil
    }

    private mutating func allocate() -> UnsafeMutablePointer<Entry> {
        let made = UnsafeMutablePointer<Entry>.allocate(capacity: KnownFragments.capacity)
        unsafe made.initialize(repeating: Entry(), count: KnownFragments.capacity)
        unsafe entries = made
        return unsafe made
    }

    private static func isOf(
        _ packet: InnerPacket,
        _ part: FragmentPart,
        _ entry: UnsafeMutablePointer<Entry>
    ) -> Bool {
        unsafe entry.pointee.isUsed && entry.pointee.identification == part.identification
            && entry.pointee.source == packet.source
            && entry.pointee.destination == packet.destination
            && entry.pointee.kind == kind(packet)
    }

    /// RFC 8200 §4.5: over IPv6 the protocol tells no two packets apart, and headers that only the
    /// first fragment has may hide it.
    private static func kind(_ packet: InnerPacket) -> UInt32 {
        UInt32(packet.isV4 ? packet.ipProtocol : 0) | (packet.isV4 ? 1 << 8 : 0)
            | UInt32(packet.device) << 16
    }

    private static func place(_ packet: InnerPacket, _ part: FragmentPart) -> Int {
        let addresses = packet.source ^ packet.destination &* 3
        let hash = CoveringPrefix.mixed(
            UInt64(truncatingIfNeeded: addresses ^ addresses >> 64)
                ^ UInt64(part.identification) << 32 ^ UInt64(kind(packet))
        )
        return Int(truncatingIfNeeded: hash % UInt64(capacity / ways)) * ways
    }
}
