/// One link of the chain of payloads: the generic header and the body behind it (RFC 7296 §3.2).
package struct PayloadLink: Hashable, Sendable {
    package static let headerOctets = 4

    package let type: PayloadType
    package let isCritical: Bool
    /// The type of the payload behind this one; within the Encrypted payload for that.
    package let next: PayloadType
    /// Where the body stands in the message or plaintext that it was cut from.
    package let body: Range<Int>
}
