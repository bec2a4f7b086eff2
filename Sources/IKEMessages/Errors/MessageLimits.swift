/// How much of anything one message may hold. What is above a limit is refused, not cut.
package struct MessageLimits: Hashable, Sendable {
    /// Octets of a message, header included. RFC 7296 §2 asks for at least 3,000; a UDP datagram
    /// holds 65,507.
    package var messageOctets: Int = 65_507
    /// Fragments of one message (RFC 7383). At 576 octets a datagram, 65,507 octets make 137.
    package var fragments: Int = 160
    /// Payloads in a message, or in what its Encrypted payload holds.
    package var payloads: Int = 64
    /// Proposals in a Security Association payload.
    package var proposals: Int = 64
    /// Transforms in one proposal.
    package var transforms: Int = 96
    /// Attributes of one transform.
    package var transformAttributes: Int = 8
    /// Selectors in one Traffic Selector payload, whose count has 8 bits.
    package var trafficSelectors: Int = 255
    /// SPIs in one Delete payload.
    package var deletedSPIs: Int = 1_024
    /// Attributes in one Configuration payload.
    package var configurationAttributes: Int = 256

    package init() {}

    package static let standard = MessageLimits()
}
