internal import IKEProtocol
internal import IPsecPrimitives
internal import PacketProtection

/// Two hosts and their protocol: what is refused is refused for every port, as far as one can tell.
struct PacketFlow: Hashable {
    let source: IPAddress
    let destination: IPAddress
    let ipProtocol: UInt8

    init(_ packet: PacketTuple) {
        source = packet.source
        destination = packet.destination
        ipProtocol = packet.ipProtocol
    }

    init(_ packet: PacketSelector) {
        source = packet.source.first
        destination = packet.destination.first
        ipProtocol = packet.source.ipProtocol
    }
}

/// Packets for which a further pair is being negotiated, one of a flow.
struct PairsUnderWay {
    private static let limit = 8
    /// So that a host that asks for many leaves others their turn.
    private static let limitOfSource = 2
    /// A negotiation that is not heard of for so long is given up.
    private static let patience = Duration.seconds(300)

    private var waiting: [PacketFlow: (packet: PacketTuple, until: Instant)] = [:]

    var isEmpty: Bool { waiting.isEmpty }

    /// - Returns: whether the pair is to be asked for.
    mutating func begin(_ packet: PacketTuple, at now: Instant) -> Bool {
        waiting = waiting.filter { now < $0.value.until }
        let flow = PacketFlow(packet)
        guard waiting[flow] == nil, waiting.count < PairsUnderWay.limit,
            waiting.keys.count(where: { $0.source == flow.source }) < PairsUnderWay.limitOfSource
        else { return false }
        waiting[flow] = (packet, now + PairsUnderWay.patience)
        return true
    }

    /// The negotiation for a packet is over.
    ///
    /// - Returns: the packet that asked for it.
    mutating func end(_ packet: PacketSelector) -> PacketTuple? {
        waiting.removeValue(forKey: PacketFlow(packet))?.packet
    }

    /// A pair is there: those that it is for need no other. Where this end made one that is for none of
    /// them, what it was made for is not known, and each may ask again.
    mutating func settle(by traffic: PairTraffic, isOurs: Bool) {
        let rest = waiting.filter { !traffic.covers($0.value.packet) }
        waiting = isOurs && rest.count == waiting.count ? [:] : rest
    }
}

/// Hosts and protocols that the peer would not have, and when to ask it again.
struct RefusedTraffic {
    private struct Refusal {
        var failures: Int
        var since: Instant
        var until: Instant
    }

    /// Of more than these, those are forgotten that may be asked for soonest.
    static let limit = 256
    /// A host of which so many are refused asks for others no more than once in `interval`.
    private static let crowd = 16
    private static let interval = Duration.seconds(1)

    private var refusals: [PacketFlow: Refusal] = [:]

    var count: Int { refusals.count }

    func allows(_ packet: PacketTuple, at now: Instant) -> Bool {
        let flow = PacketFlow(packet)
        if let refusal = refusals[flow] { return now >= refusal.until }
        var count = 0
        var last = Instant.origin
        for (other, refusal) in refusals where other.source == flow.source {
            count += 1
            last = max(last, refusal.since)
        }
        return count < RefusedTraffic.crowd || now >= last + RefusedTraffic.interval
    }

    mutating func refuse(_ packet: PacketTuple, at now: Instant) {
        let flow = PacketFlow(packet)
        let failures = (refusals[flow]?.failures ?? 0) + 1
        if refusals[flow] == nil, refusals.count >= RefusedTraffic.limit { makeRoom(at: now) }
        refusals[flow] = Refusal(
            failures: failures,
            since: now,
            until: now + BackOff.wait(after: failures)
        )
    }

    private mutating func makeRoom(at now: Instant) {
        // Who was refused last a while ago may be forgotten.
        refusals = refusals.filter { now < $0.value.until + .seconds(60) }
        guard refusals.count >= RefusedTraffic.limit else { return }
        // Else one of those of the host that has most.
        var counts: [IPAddress: Int] = [:]
        for flow in refusals.keys { counts[flow.source, default: 0] += 1 }
        let most = counts.values.max()
        let victim = refusals.filter { counts[$0.key.source] == most }
            .min { left, right in
                left.value.until == right.value.until
                    ? left.key.order < right.key.order : left.value.until < right.value.until
            }
        if let victim { refusals[victim.key] = nil }
    }
}

extension PacketFlow {
    /// Any, but always the same.
    fileprivate var order: (UInt128, UInt128, UInt8) {
        (source.bits, destination.bits, ipProtocol)
    }
}
