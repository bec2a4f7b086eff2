internal import IKEProtocol
internal import IPsecPrimitives
internal import PacketProtection

/// What a pair of SAs was agreed to carry.
struct PairTraffic: Hashable {
    let local: [TrafficSelector]
    let remote: [TrafficSelector]
    /// Its place among pairs of the same traffic (RFC 9611); nil where there is only one.
    let slot: Int?
    /// Which packets leave by it, by their DSCP, where there are several of the same traffic; empty:
    /// those that have none of their own.
    let codePoints: CodePointSet

    init(_ child: ChildSAInstallation) {
        local = child.localSelectors
        remote = child.remoteSelectors
        slot = child.resource?.slot
        codePoints = child.codePoints
    }

    func covers(_ packet: PacketTuple) -> Bool {
        local.contains {
            $0.contains(packet.source, ipProtocol: packet.ipProtocol, port: packet.sourcePort)
        }
            && remote.contains {
                $0.contains(
                    packet.destination,
                    ipProtocol: packet.ipProtocol,
                    port: packet.destinationPort
                )
            }
    }

    /// Whether nothing is left for `other` where this one is preferred.
    func replaces(_ other: PairTraffic) -> Bool {
        slot == other.slot && codePoints == other.codePoints
            && other.local.allSatisfy { part in local.contains { $0.covers(part) } }
            && other.remote.allSatisfy { part in remote.contains { $0.covers(part) } }
    }
}

/// Hosts and protocols that the peer would not have, and when to ask it again.
struct RefusedTraffic {
    /// What is refused is refused for every port, as far as one can tell.
    private struct Flow: Hashable {
        let source: IPAddress
        let destination: IPAddress
        let ipProtocol: UInt8

        init(_ packet: PacketTuple) {
            source = packet.source
            destination = packet.destination
            ipProtocol = packet.ipProtocol
        }
    }

    private struct Refusal {
        var failures: Int
        var until: Instant
    }

    /// More than these are asked for no more than once a minute together.
    private static let limit = 64

    private var refusals: [Flow: Refusal] = [:]
    private var crowdedUntil: Instant = .origin

    func allows(_ packet: PacketTuple, at now: Instant) -> Bool {
        guard let refusal = refusals[Flow(packet)] else { return now >= crowdedUntil }
        return now >= refusal.until
    }

    mutating func refuse(_ packet: PacketTuple, at now: Instant) {
        let flow = Flow(packet)
        let failures = (refusals[flow]?.failures ?? 0) + 1
        let wait = BackOff.wait(after: failures)
        if refusals[flow] == nil, refusals.count >= RefusedTraffic.limit {
            // Who was refused last a while ago may be forgotten.
            refusals = refusals.filter { now < $0.value.until + .seconds(60) }
            guard refusals.count < RefusedTraffic.limit else {
                crowdedUntil = now + .seconds(60)
                return
            }
        }
        refusals[flow] = Refusal(failures: failures, until: now + wait)
    }
}
