internal import IPsecPrimitives

// What an SA may carry although its selectors, held against the packet alone, do not say so.
extension InboundProcessor {
    /// RFC 4301 §7.2: from here on no fragment can lie over the ports of the first. §D.3 names it.
    private static let leastOpaqueOffset = 128

    /// Whether a packet passes that its SA's selectors do not cover at first sight; if not, it is
    /// counted.
    @inline(never)
    mutating func isAdmittedApart(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ association: UnsafeMutablePointer<InboundSA>
    ) -> Bool {
        if unsafe association.pointee.isWatched {
            if packet.isFragment { return unsafe isAdmittedFragment(bytes, packet, association) }
            if unsafe association.pointee.agreedSelectors.matchesInbound(packet) { return true }
        }
        // RFC 4301 §6.2: an error passes where the packet that it is about had gone the other way.
        // Anybody else than who sent that packet has no use for the error.
        if let quoted = unsafe QuotedPacket(bytes, packet), quoted.source == packet.destination,
            unsafe association.pointee.agreedSelectors.matches(quoted.sent)
        {
            return true
        }
        return unsafe refuse(
            packet.isLaterFragment ? .fragmentWithoutPorts : .selectorMismatch,
            association
        )
    }

    private func refuse(
        _ reason: DropReason,
        _ association: UnsafeMutablePointer<InboundSA>
    ) -> Bool {
        unsafe association.pointee.selectorMismatches &+= 1
        drops.count(reason)
        return false
    }

    private mutating func isAdmittedFragment(
        _ bytes: UnsafeMutableRawPointer,
        _ packet: InnerPacket,
        _ association: UnsafeMutablePointer<InboundSA>
    ) -> Bool {
        let selectors = unsafe association.pointee.agreedSelectors
        guard let part = unsafe FragmentPart(bytes, packet) else {
            return unsafe refuse(.selectorMismatch, association)
        }
        let policy = unsafe association.pointee.policy
        if !packet.isLaterFragment {
            guard selectors.matchesInbound(packet) else {
                return unsafe refuse(.selectorMismatch, association)
            }
            if packet.hasPorts { fragments.note(packet, part, policy: policy, at: openedAt) }
            return true
        }
        let query = PolicyQuery(inbound: packet)
        if selectors.matchesWithoutOpaque(query) { return true }
        let first = fragments.find(packet, part, at: openedAt)
        if let first, first.policy == policy, unsafe association.pointee.carriesLaterFragments,
            selectors.matchesInbound(packet.showing(first))
        {
            guard part.offset >= first.end else {
                return unsafe refuse(.fragmentOverlap, association)
            }
            return true
        }
        if selectors.matches(query) {
            // Over IPv6 headers before the ports have no greatest length (RFC 4301 §7.2).
            guard part.offset >= InboundProcessor.leastOpaqueOffset else {
                return unsafe refuse(.fragmentOverlap, association)
            }
            return true
        }
        return unsafe refuse(
            association.pointee.carriesLaterFragments
                ? .fragmentBeforeFirst : .fragmentWithoutPorts,
            association
        )
    }
}
