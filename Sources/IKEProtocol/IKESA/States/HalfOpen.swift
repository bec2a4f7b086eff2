internal import IPsecPrimitives

/// The responder has answered IKE_SA_INIT and waits for IKE_AUTH.
struct HalfOpen {
    let keys: SAKeys
    let transcript: InitTranscript
    /// Under which the engine finds the SA when the first request comes again.
    let key: HalfOpenKey
}

/// A first request: from whom it came and what it was, for a repetition has the same octets.
struct HalfOpenKey: Hashable {
    let remote: Endpoint
    let request: [UInt8]
}
