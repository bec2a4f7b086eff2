package import IKEProtocol
package import IPsecPrimitives

/// The last thing that went wrong with a connection.
package struct RecordedFailure: Hashable, Sendable {
    package let failure: NegotiationFailure
    package let at: Instant
}
