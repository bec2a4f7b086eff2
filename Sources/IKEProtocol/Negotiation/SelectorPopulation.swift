internal import IPsecPrimitives

/// Selectors whose values come from a packet (RFC 4301 §4.4.1).
extension TrafficSelectorPair {
    /// Whether each of these selectors has one value.
    func isPopulated(_ populated: PopulatedSelectors) -> Bool {
        if populated.contains(.localAddress), !local.haveOneAddress { return false }
        if populated.contains(.remoteAddress), !remote.haveOneAddress { return false }
        guard populated.contains(.ipProtocol) else { return true }
        // Either side may leave it to the other.
        let protocols = Set((local + remote).map(\.ipProtocol)).subtracting([0])
        guard let ipProtocol = protocols.first, protocols.count == 1 else { return false }
        guard IPProtocolName.hasPorts(ipProtocol) else { return true }
        if populated.contains(.localPort), !local.haveOnePort { return false }
        return !populated.contains(.remotePort) || remote.haveOnePort
    }

    /// The part of these that has the packet's values; nil where nothing has, or where the packet does
    /// not show one of them.
    func populated(
        _ populated: PopulatedSelectors,
        from packet: PacketSelector,
        _ work: inout SelectorWork
    ) -> TrafficSelectorPair? {
        let named = TrafficSelectorPair(local: [packet.source], remote: [packet.destination])
        guard named.isPopulated(populated) else { return nil }
        let ipProtocol = max(packet.source.ipProtocol, packet.destination.ipProtocol)
        func pattern(
            _ side: TrafficSelector,
            _ address: PopulatedSelectors,
            _ port: PopulatedSelectors
        ) -> TrafficSelector? {
            let whole = TrafficSelector.everything(side.version)
            let isOfOne = populated.contains(address)
            return TrafficSelector(
                first: isOfOne ? side.first : whole.first,
                last: isOfOne ? side.first : whole.last,
                ipProtocol: populated.contains(.ipProtocol) ? ipProtocol : 0,
                ports: populated.contains(port) ? side.ports : .any
            )
        }
        guard let near = pattern(packet.source, .localAddress, .localPort),
            let far = pattern(packet.destination, .remoteAddress, .remotePort)
        else { return nil }
        return intersection(TrafficSelectorPair(local: [near], remote: [far]), &work)
    }

    /// Whether all of it lies between one address and another.
    var isBetweenTwoAddresses: Bool { isPopulated(.addresses) }
}

extension [TrafficSelector] {
    fileprivate var haveOneAddress: Bool { Set(flatMap { [$0.first, $0.last] }).count == 1 }

    fileprivate var haveOnePort: Bool {
        Set(map(\.ports)).count == 1 && self[0].ports.lower == self[0].ports.upper
    }
}
