/// Why a peer is not believed, and in which connection. Where several are for the same addresses,
/// that need not be the one by which IKE_SA_INIT was answered.
struct RefusedPeer: Error {
    let failure: NegotiationFailure
    /// Nil where it may be any of several.
    let connection: String?

    init(_ failure: NegotiationFailure, of connection: IKEConnection?) {
        self.failure = failure
        self.connection = connection?.name
    }
}
