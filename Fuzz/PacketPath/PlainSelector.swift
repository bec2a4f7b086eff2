internal import IPsecPrimitives
package import PacketProtection

/// A pair of selectors as RFC 4301 §4.4.1.1 says what it covers.
package struct PlainSelector {
    private let pair: SelectorPair

    package init(_ pair: SelectorPair) { self.pair = pair }

    /// - Parameter isOutbound: whether the packet leaves, so that its source is local.
    package func covers(_ packet: PlainPacket, isOutbound: Bool) -> Bool {
        guard (pair.local.version == .v4) == packet.isV4 else { return false }
        let near = isOutbound ? packet.source : packet.destination
        let far = isOutbound ? packet.destination : packet.source
        guard PlainSelector.holds(pair.local, near), PlainSelector.holds(pair.remote, far) else {
            return false
        }
        let named = [pair.local.ipProtocol, pair.remote.ipProtocol].filter { $0 != 0 }
        guard named.allSatisfy({ $0 == packet.ipProtocol }) else { return false }
        let nearPort = packet.ports.map { $0[isOutbound ? 0 : 1] }
        let farPort = packet.ports.map { $0[isOutbound ? 1 : 0] }
        // RFC 4301 §4.4.1.3: of ICMP, OPAQUE at the remote side says "not to be received", and at
        // the local side "not to be sent"; of what goes the other way it says nothing.
        let hasOneType = named.contains(1) || named.contains(58)
        let isNearFree = hasOneType && !isOutbound && pair.local.ports.isOpaque
        let isFarFree = hasOneType && isOutbound && pair.remote.ports.isOpaque
        return (isNearFree || PlainSelector.holds(pair.local.ports, nearPort))
            && (isFarFree || PlainSelector.holds(pair.remote.ports, farPort))
    }

    private static func holds(_ selector: TrafficSelector, _ address: [UInt8]) -> Bool {
        !address.lexicographicallyPrecedes(selector.first.bytes)
            && !selector.last.bytes.lexicographicallyPrecedes(address)
    }

    private static func holds(_ ports: PortRange, _ port: Int?) -> Bool {
        if ports.isAny { return true }
        guard let port else { return ports.isOpaque }
        return !ports.isOpaque && Int(ports.lower) <= port && port <= Int(ports.upper)
    }
}
