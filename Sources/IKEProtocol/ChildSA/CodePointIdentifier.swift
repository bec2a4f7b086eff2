internal import IKEMessages
internal import IPsecPrimitives

// Several Child SAs of the same selectors for packets of different DSCPs (RFC 4301 §4.1).
//
// "Distribution of traffic among these parallel SAs to support QoS is locally determined by the sender and
// is not negotiated by IKE": each end puts its packets on the pairs as it likes, and whatever comes by
// any of them is taken. All that the ends may want to tell each other is that a pair is one more beside
// another, and whose packets it is for, so that both need not make one. SA_RESOURCE_INFO says the one, and
// its identifier, which is the sender's to choose (RFC 9611), the other; a peer that knows nothing of
// either ignores the notify (RFC 7296 §3.10.1).
//
//                      1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |      "D"      |      "S"      |      "C"      |      "P"      |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |            one bit a DSCP, 0 the least significant            |
// |                                                               |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+

private enum CodePointIdentifier {
    /// `DSCP`.
    static let tag: [UInt8] = [0x44, 0x53, 0x43, 0x50]

    static func octets(_ codePoints: CodePointSet) -> [UInt8] {
        tag + (0..<8).map { UInt8(truncatingIfNeeded: codePoints.bits >> (56 - 8 * $0)) }
    }

    static func parse(_ octets: [UInt8]) -> CodePointSet? {
        guard octets.count == tag.count + 8, octets.starts(with: tag) else { return nil }
        let bits = octets.dropFirst(tag.count).reduce(0) { $0 << 8 | UInt64($1) }
        return bits == 0 ? nil : CodePointSet(bits: bits)
    }
}

extension NotifyPayload {
    init(_ codePoints: CodePointSet) {
        self.init(.saResourceInfo, data: CodePointIdentifier.octets(codePoints))
    }
}

extension MessageContent {
    /// Of the packets that the peer would send by a Child SA; nil where it says nothing of them.
    var codePoints: CodePointSet? {
        notifies.lazy.filter { $0.type == .saResourceInfo }
            .compactMap { CodePointIdentifier.parse($0.data) }.first
    }
}

extension ChildPolicy {
    /// Which packets this end sends by a Child SA that is, or was, for others: the same if the
    /// configuration has them together, else those of which it has any; empty where it has none.
    func codePoints(insteadOf other: CodePointSet) -> CodePointSet {
        if self.codePointSets.contains(other) { return other }
        return self.codePointSets.first { !$0.intersection(other).isEmpty } ?? CodePointSet()
    }
}

extension IKEEvent.Initiation {
    /// Whether it is not worth an IKE SA of its own, for another child carries its packets.
    var isDispensable: Bool { self.codePoints?.isEmpty == false }
}

extension ChildTraits {
    /// By which it is told from others of the same selectors.
    var place: CodePointSet { codePoints.isEmpty ? peerCodePoints ?? codePoints : codePoints }
}

extension ChildSA {
    /// Whether packets of one could go by the other, and would.
    func isLike(_ other: ChildSA) -> Bool {
        doesSame(as: other) && traits.codePoints == other.traits.codePoints
    }
}
