internal import IPsecPrimitives

/// A pair of selectors in the form that the packet path compares: numbers, no cases.
struct FlatSelector {
    var localFirst: UInt128
    var localLast: UInt128
    var remoteFirst: UInt128
    var remoteLast: UInt128
    var localPortLower: UInt16
    var localPortUpper: UInt16
    var remotePortLower: UInt16
    var remotePortUpper: UInt16
    /// 0 for any.
    var ipProtocol: UInt8
    var isV4: Bool
    /// Index of the policy that the selector belongs to.
    var owner: Int32

    init(_ pair: SelectorPair, owner: Int = 0) {
        localFirst = pair.local.first.bits
        localLast = pair.local.last.bits
        remoteFirst = pair.remote.first.bits
        remoteLast = pair.remote.last.bits
        localPortLower = pair.local.ports.lower
        localPortUpper = pair.local.ports.upper
        remotePortLower = pair.remote.ports.lower
        remotePortUpper = pair.remote.ports.upper
        ipProtocol = max(pair.local.ipProtocol, pair.remote.ipProtocol)
        isV4 = pair.local.version == .v4
        self.owner = Int32(owner)
    }

    @inline(__always)
    func matches(
        local: UInt128,
        localPort: UInt16,
        remote: UInt128,
        remotePort: UInt16,
        ipProtocol: UInt8,
        isV4: Bool,
        hasPorts: Bool,
        isOutbound: Bool
    ) -> Bool {
        self.isV4 == isV4 && remoteFirst <= remote && remote <= remoteLast
            && localFirst <= local && local <= localLast
            && (self.ipProtocol == 0 || self.ipProtocol == ipProtocol)
            && (FlatSelector.covers(localPortLower, localPortUpper, localPort, hasPorts)
                || !isOutbound && isOneWay(localPortLower, localPortUpper))
            && (FlatSelector.covers(remotePortLower, remotePortUpper, remotePort, hasPorts)
                || isOutbound && isOneWay(remotePortLower, remotePortUpper))
    }

    /// RFC 4301 §4.4.1.3: a message of ICMP has one type and no two ports. The type at the local
    /// side is what may be sent, that at the remote side what may be received, and OPAQUE at one
    /// side says that the other way is closed.
    @inline(__always)
    private func isOneWay(_ lower: UInt16, _ upper: UInt16) -> Bool {
        lower > upper && (ipProtocol == 1 || ipProtocol == 58)
    }

    /// A packet that leaves: its source is local.
    @inline(__always)
    func matchesOutbound(_ packet: InnerPacket) -> Bool {
        matches(
            local: packet.source,
            localPort: packet.sourcePort,
            remote: packet.destination,
            remotePort: packet.destinationPort,
            ipProtocol: packet.ipProtocol,
            isV4: packet.isV4,
            hasPorts: packet.hasPorts,
            isOutbound: true
        )
    }

    /// A packet that came: its destination is local.
    @inline(__always)
    func matchesInbound(_ packet: InnerPacket) -> Bool {
        matches(
            local: packet.destination,
            localPort: packet.destinationPort,
            remote: packet.source,
            remotePort: packet.sourcePort,
            ipProtocol: packet.ipProtocol,
            isV4: packet.isV4,
            hasPorts: packet.hasPorts,
            isOutbound: false
        )
    }

    /// RFC 4301 §4.4.1.1: ANY covers ports that cannot be seen, OPAQUE nothing else; OPAQUE is
    /// the range that is upside down, so that no port lies in it.
    @inline(__always)
    private static func covers(
        _ lower: UInt16,
        _ upper: UInt16,
        _ port: UInt16,
        _ isVisible: Bool
    ) -> Bool {
        if lower == 0, upper == .max { return true }
        return isVisible ? lower <= port && port <= upper : lower > upper
    }
}

/// The selectors of one SA, in memory of their own. The owner deallocates.
@safe struct SelectorList {
    private let entries: UnsafeMutablePointer<FlatSelector>
    private let count: Int

    init(_ pairs: [SelectorPair]) {
        count = pairs.count
        unsafe entries = .allocate(capacity: max(count, 1))
        for (index, pair) in pairs.enumerated() {
            unsafe (entries + index).initialize(to: FlatSelector(pair))
        }
    }

    func deallocate() { unsafe entries.deallocate() }

    @inline(__always)
    func matchesOutbound(_ packet: InnerPacket) -> Bool {
        for index in 0..<count where unsafe entries[index].matchesOutbound(packet) {
            return true
        }
        return false
    }

    @inline(__always)
    func matchesInbound(_ packet: InnerPacket) -> Bool {
        for index in 0..<count where unsafe entries[index].matchesInbound(packet) {
            return true
        }
        return false
    }
}
