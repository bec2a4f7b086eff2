internal import IPsecPrimitives

/// A pair of selectors in the form that the packet path compares: numbers, no cases.
struct FlatSelector: Equatable {
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

    /// Whether either side is for packets whose ports cannot be seen.
    var isOpaque: Bool { localPortLower > localPortUpper || remotePortLower > remotePortUpper }

    @inline(__always)
    func matches(_ query: PolicyQuery) -> Bool {
        isV4 == query.isV4 && remoteFirst <= query.remote && query.remote <= remoteLast
            && localFirst <= query.local && query.local <= localLast
            && (ipProtocol == 0 || ipProtocol == query.ipProtocol)
            && (FlatSelector.covers(
                localPortLower,
                localPortUpper,
                query.localPort,
                query.hasPorts
            )
                || !query.isOutbound && isOneWay(localPortLower, localPortUpper))
            && (FlatSelector.covers(
                remotePortLower,
                remotePortUpper,
                query.remotePort,
                query.hasPorts
            )
                || query.isOutbound && isOneWay(remotePortLower, remotePortUpper))
    }

    /// RFC 4301 §4.4.1.3: a message of ICMP has one type and no two ports. The type at the local
    /// side is what may be sent, that at the remote side what may be received, and OPAQUE at one
    /// side says that the other way is closed.
    @inline(__always)
    private func isOneWay(_ lower: UInt16, _ upper: UInt16) -> Bool {
        lower > upper && (ipProtocol == 1 || ipProtocol == 58)
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
