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

    /// Whether it is that of the same slot and class.
    func hasPlace(of other: PairTraffic) -> Bool {
        slot == other.slot && codePoints == other.codePoints
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
        hasPlace(of: other)
            && other.local.allSatisfy { part in local.contains { $0.covers(part) } }
            && other.remote.allSatisfy { part in remote.contains { $0.covers(part) } }
    }
}
