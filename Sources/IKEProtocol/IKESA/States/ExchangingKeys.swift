internal import IKEMessages
internal import IPsecCrypto
internal import IPsecPrimitives

/// The initiator waits for the answer to an IKE_INTERMEDIATE (RFC 9242), which brings one of the
/// additional key exchanges (RFC 9370 §2.2.2).
struct ExchangingKeys {
    /// As they are before the exchange.
    let keys: SAKeys
    let transcript: InitTranscript
    let keyPair: KeyExchangeKeyPair
    /// Our request, which AUTH will cover.
    let request: OpenedMessage
    /// What follows this exchange.
    let remaining: ArraySlice<KeyExchangeMethod>
    let authentication: IntermediateAuthentication
    var wanted: [IKEEvent.Initiation]
}
