/// Puts this host's own fragments together again: transport mode protects whole packets only
/// (RFC 4303 §3.3.4, RFC 4302 §3.3.4).
///
/// They come from the local stack, which writes them in order and behind one another; any that
/// does not continue what there is ends its packet. So no fragment can overlap another, and the
/// memory is bounded: `places` packets, the oldest of which makes room.
@safe struct FragmentAssembly: ~Copyable {
    enum Outcome {
        case kept
        /// The frame, a plain virtio_net_hdr and the packet, is whole; `release` gives its place
        /// back.
        case whole(place: Int, byteCount: Int)
        /// It continues nothing, or its packet grew too long.
        case refused
    }

    private struct Place {
        var isOpen = false
        var source: UInt128 = 0
        var destination: UInt128 = 0
        var identification: UInt32 = 0
        var ipProtocol: UInt8 = 0
        var device: UInt16 = 0
        var isV4 = true
        var since: UInt64 = 0
        /// Octets of the packet's header, and of the packet, so far.
        var header = 0
        var length = 0
        var fragments = 0
    }

    private static let places = 4
    private static let maximumOctets = 65_535
    private static let stride = 65_536 + 64
    /// RFC 791 §3.2 lets an assembly live for seconds; locally the next is there at once.
    private static let maximumAge: UInt64 = 2_000_000_000

    private let memory: UnsafeMutableRawPointer
    private let entries: UnsafeMutablePointer<Place>
    private(set) var openCount = 0
    /// Fragments whose packets were given up since they were asked for.
    private var abandoned = 0

    init() {
        unsafe memory = .allocate(
            byteCount: FragmentAssembly.places * FragmentAssembly.stride,
            alignment: 64
        )
        unsafe entries = .allocate(capacity: FragmentAssembly.places)
        unsafe entries.initialize(repeating: Place(), count: FragmentAssembly.places)
    }

    deinit {
        unsafe memory.deallocate()
        unsafe entries.deallocate()
    }

    /// Where the frame of a place begins.
    func frame(_ place: Int) -> UnsafeMutableRawPointer {
        unsafe memory + place * FragmentAssembly.stride
    }

    mutating func release(_ place: Int) {
        guard unsafe entries[place].isOpen else { return }
        unsafe entries[place].isOpen = false
        openCount -= 1
    }

    /// Gives up what has come of a packet.
    private mutating func abandon(_ place: Int) {
        if unsafe entries[place].isOpen { abandoned += unsafe entries[place].fragments }
        release(place)
    }

    /// How many fragments were kept in vain, besides those that were refused.
    mutating func takeAbandoned() -> Int {
        defer { abandoned = 0 }
        return abandoned
    }

    /// Whether a later fragment belongs to a packet that was begun, and not too long ago: by now its
    /// identification may be that of another, which goes another way.
    func hasBegun(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        at now: UInt64
    ) -> Bool {
        guard openCount > 0, let part = unsafe FragmentPart(bytes, packet),
            let place = find(packet, part)
        else { return false }
        return unsafe now &- entries[place].since <= FragmentAssembly.maximumAge
    }

    /// Takes a fragment.
    mutating func add(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        at now: UInt64
    ) -> Outcome {
        guard let part = unsafe FragmentPart(bytes, packet) else { return .refused }
        let octets = packet.totalLength - part.start
        // RFC 791 §3.2: all but the last are multiples of eight.
        guard !part.hasMore || (octets & 7 == 0 && octets > 0) else { return .refused }
        let known = find(packet, part)
        let place: Int
        if part.offset == 0 {
            if let known { abandon(known) }
            place = unsafe begin(bytes, packet, part, at: now)
        } else {
            guard let known else { return .refused }
            place = known
        }
        let entry = unsafe entries + place
        guard
            unsafe entry.pointee.length - entry.pointee.header == part.offset,
            unsafe entry.pointee.length + octets <= FragmentAssembly.maximumOctets,
            unsafe now &- entry.pointee.since <= FragmentAssembly.maximumAge
        else {
            abandon(place)
            return .refused
        }
        let packetStart = unsafe frame(place) + OffloadHeader.length
        unsafe (packetStart + entry.pointee.length).copyMemory(
            from: bytes + part.start,
            byteCount: octets
        )
        unsafe entry.pointee.length += octets
        unsafe entry.pointee.fragments += 1
        guard !part.hasMore else { return .kept }
        return unsafe finish(place, entry.pointee)
    }

    private mutating func begin(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ part: FragmentPart,
        at now: UInt64
    ) -> Int {
        var chosen = 0
        for index in 0..<FragmentAssembly.places {
            guard unsafe entries[index].isOpen else {
                chosen = index
                break
            }
            if unsafe entries[index].since < entries[chosen].since { chosen = index }
        }
        abandon(chosen)
        unsafe entries[chosen] = Place(
            isOpen: true,
            source: packet.source,
            destination: packet.destination,
            identification: part.identification,
            ipProtocol: packet.ipProtocol,
            device: packet.device,
            isV4: packet.isV4,
            since: now,
            header: part.header,
            length: part.header
        )
        openCount += 1
        let start = unsafe frame(chosen)
        unsafe OffloadHeader.writePlain(start)
        let header = unsafe start + OffloadHeader.length
        unsafe header.copyMemory(from: bytes, byteCount: part.header)
        if !packet.isV4 { unsafe header.write8(part.next, part.nextOffset) }
        return chosen
    }

    /// Gives the packet the header of a whole one.
    private func finish(_ place: Int, _ entry: Place) -> Outcome {
        let packet = unsafe frame(place) + OffloadHeader.length
        if entry.isV4 {
            unsafe packet.write16(UInt16(entry.length), 2)
            unsafe packet.write16(0, 6)
            unsafe InternetChecksum.setHeaderChecksum(packet, headerLength: entry.header)
        } else {
            unsafe packet.write16(UInt16(entry.length - 40), 4)
        }
        return .whole(place: place, byteCount: OffloadHeader.length + entry.length)
    }

    private func find(_ packet: InnerPacket, _ part: FragmentPart) -> Int? {
        for index in 0..<FragmentAssembly.places where unsafe entries[index].isOpen {
            if unsafe entries[index].identification == part.identification,
                unsafe entries[index].source == packet.source,
                unsafe entries[index].destination == packet.destination,
                unsafe entries[index].isV4 == packet.isV4,
                unsafe entries[index].device == packet.device,
                unsafe !packet.isV4 || entries[index].ipProtocol == packet.ipProtocol
            {
                return index
            }
        }
        return nil
    }
}
