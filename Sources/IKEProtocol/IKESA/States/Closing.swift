internal import IPsecPrimitives

/// This end has sent a Delete for the IKE SA, or told that it does not believe the peer.
struct Closing {
    let keys: SAKeys
    /// Inbound SPIs of children that others have taken over, for packets in flight.
    var handedOver: [SPI] = []
    /// The IKE SA that this end has put in its place by rekeying.
    var heir: IKESPI?
}
