internal import IPsecCrypto

/// The initiator waits for the answer to IKE_AUTH.
struct Authenticating {
    let keys: SAKeys
    let transcript: InitTranscript
    /// The keys with our postquantum preshared key, should the peer have it too.
    let mixed: (keys: IKEKeys, policy: PPKPolicy)?
    /// The session that this one resumes (RFC 5723).
    let resumption: SessionTicket?
    /// The child that goes with IKE_AUTH.
    let child: ChildOffer?
    /// What is wanted besides.
    var wanted: [IKEEvent.Initiation]
    /// The caller has changed its mind: the child is closed as soon as it is there.
    var isChildUnwanted = false
}
