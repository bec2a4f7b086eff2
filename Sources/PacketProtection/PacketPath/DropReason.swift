/// Why a packet went no further; each has a counter.
package enum DropReason: UInt8, Hashable, Sendable, CaseIterable, BitwiseCopyable {
    // Outbound.
    /// Not a whole IPv4 or IPv6 packet, or an offload request that makes no sense.
    case malformedInner
    case policyDiscard
    /// A bypass policy: the kernel's routes send such packets elsewhere.
    case policyBypass
    case noPolicy
    /// No SA, and no room to hold the packet until there is one.
    case holdQueueFull
    case holdExpired
    /// Held for a negotiation that failed.
    case holdAbandoned
    case sequenceExhausted
    case lifetimeExceeded
    /// Larger than the tunnel carries and not to be fragmented.
    case tooBig
    case sealFailed
    /// IKE or ESP of this gateway to the peer of the very tunnel that it was routed into.
    case routedIntoItself
    /// No SA, and one of those packets that the kernel sends by each device of its own accord, which
    /// bring no tunnel up: see `InnerPacket.isLinkHousekeeping`.
    case linkHousekeeping
    /// In transport mode: IP options or extension headers that the way out cannot carry, or a
    /// fragment that continues nothing.
    case unsupportedHeader
    /// More waits for its place in a train than may (RFC 9347).
    case trainQueueFull
    /// The train that a packet was to go by, or waited for, has no SA any more.
    case trainMissing
    /// As much waits in its traffic class as may.
    case classQueueFull
    /// Its traffic class has had packets waiting for long: senders shall slow down (RFC 8289).
    case classDelay
    /// It waited in its traffic class longer than that allows, or the class went.
    case classExpired
    // Either way.
    /// A fragment behind the first, which shows no ports, of a packet that only an SA with ports
    /// covers: `later-fragments`, selectors without ports or a tunnel for `opaque` ones carry it
    /// (RFC 4301 §7).
    case fragmentWithoutPorts
    /// As above, where the SA carries such fragments: the first was not seen, or too long ago.
    case fragmentBeforeFirst
    /// A fragment that begins within what the first covered, or too near the beginning
    /// (RFC 1858 §4, RFC 5722 §3, RFC 4301 §7.2).
    case fragmentOverlap
    // Inbound.
    /// Too short for an ESP packet of its SA, or with a length that the cipher cannot have.
    case malformedESP
    /// No IP packet with a whole AH of its SA.
    case malformedAH
    case keepalive
    case unknownSPI
    case replayed
    case authenticationFailed
    case badPadding
    /// Next header 59 (RFC 4303 §2.6): cover traffic.
    case dummy
    /// Next header neither IPv4 nor IPv6.
    case unexpectedNextHeader
    /// IPComp by a CPI that is not the SA's, no whole stream of DEFLATE, or more than an IP packet holds.
    case decompressionFailed
    case selectorMismatch
    /// RFC 6040 §4.2: congestion experienced outside, no ECN inside.
    case congestionMark
    /// No AGGFRAG payload, or one whose blocks do not fit each other (RFC 9347 §2.5).
    case malformedTrain
    /// An inner packet, part of which went by an outer one that never came.
    case trainIncomplete
    /// An outer packet of a train that came when it was given up (RFC 9347 §2.2.3).
    case trainLate
    /// More than fits a batch: the caller's fault.
    case batchOverflow
    /// Another worker's, which has too many packets waiting already.
    case workerBusy
}
