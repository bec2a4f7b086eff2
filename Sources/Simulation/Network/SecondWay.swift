internal import IPsecPrimitives

/// Of a gateway that has two ways into the network: the second one, and what has become of the
/// first, which is the address that others are configured with.
struct SecondWay {
    /// Behind a box of its own, or not.
    let address: IPAddress
    var box: NATBox?
    var isUp = false
    /// Whether the routing table takes it while both are up.
    var isPreferred = false
    var isFirstUp = true
    /// The first one passes nothing, and nobody says so.
    var isFirstSilent = false

    init(_ plan: AttachmentPlan) {
        address = plan.address
        box = plan.nat.map { NATBox($0, inside: plan.address) }
    }

    var publicAddress: IPAddress { box?.publicAddress ?? address }
}

extension NATBox {
    init(_ plan: NATPlan, inside: IPAddress) {
        self.init(
            publicAddress: plan.publicAddress,
            inside: inside,
            isOpen: plan.isOpen,
            forwards: plan.forwards,
            timeout: plan.timeout
        )
    }
}

extension Internet {
    /// The addresses that a gateway has itself.
    func localAddresses(of gateway: Int) -> [IPAddress] {
        guard let second = second[gateway] else { return [addresses[gateway]] }
        return (second.isFirstUp ? [addresses[gateway]] : [])
            + (second.isUp ? [second.address] : [])
    }

    /// From where its routing table sends; nil where it has no way at all.
    func preferredAddress(of gateway: Int) -> IPAddress? {
        guard let second = second[gateway] else { return addresses[gateway] }
        let goesBySecond = second.isUp && (second.isPreferred || !second.isFirstUp)
        return goesBySecond ? second.address : second.isFirstUp ? addresses[gateway] : nil
    }

    /// How the outside sees an address of a gateway; nil when it has not that address.
    func outside(of address: IPAddress, at gateway: Int) -> IPAddress? {
        guard localAddresses(of: gateway).contains(address) else { return nil }
        return address == addresses[gateway]
            ? publicAddress(of: gateway) : second[gateway]?.publicAddress
    }

    /// Sends a datagram on its way from a gateway.
    mutating func carry(_ datagram: WireDatagram, from gateway: Int, at now: UInt64) -> Passage {
        var outside = datagram
        if datagram.source.address == addresses[gateway] {
            if let second = second[gateway], !second.isFirstUp || second.isFirstSilent {
                return Passage()
            }
            if boxes[gateway] != nil {
                guard let source = boxes[gateway]?.leaving(datagram, at: now) else {
                    return Passage()
                }
                outside.source = source
            }
        } else {
            // A socket bound to an address that is gone sends nothing.
            guard let second = second[gateway], second.isUp,
                datagram.source.address == second.address
            else { return Passage() }
            if second.box != nil {
                guard let source = self.second[gateway]?.box?.leaving(datagram, at: now) else {
                    return Passage()
                }
                outside.source = source
            }
        }
        guard let destination = owner(of: datagram.destination.address), destination != gateway
        else { return Passage() }
        return carry(outside, from: gateway, to: destination)
    }

    /// Brings a datagram that has arrived to the gateway; nil when nobody is there for it.
    mutating func deliver(
        _ datagram: WireDatagram,
        at now: UInt64
    ) -> (gateway: Int, datagram: WireDatagram)? {
        guard let gateway = owner(of: datagram.destination.address) else { return nil }
        var result = datagram
        if let second = second[gateway], datagram.destination.address == second.publicAddress {
            guard second.box != nil else { return (gateway, datagram) }
            guard let inside = self.second[gateway]?.box?.entering(datagram, at: now) else {
                return nil
            }
            result.destination = inside
            return (gateway, result)
        }
        if second[gateway]?.isFirstSilent == true { return nil }
        guard boxes[gateway] != nil else { return (gateway, datagram) }
        guard let inside = boxes[gateway]?.entering(datagram, at: now) else { return nil }
        result.destination = inside
        return (gateway, result)
    }
}
