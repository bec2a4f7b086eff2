/// This end has sent a Delete for the IKE SA, or told that it does not believe the peer.
struct Closing {
    let keys: SAKeys
}
