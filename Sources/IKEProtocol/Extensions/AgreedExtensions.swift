/// What both ends of an IKE SA have said in IKE_SA_INIT that they can do.
struct AgreedExtensions: OptionSet, Hashable {
    let rawValue: UInt16

    /// RFC 7383 §2.3.
    static let fragmentation = AgreedExtensions(rawValue: 1 << 0)
    /// IKE_INTERMEDIATE (RFC 9242 §3.1).
    static let intermediate = AgreedExtensions(rawValue: 1 << 1)
    /// Both ends sign both messages of IKE_SA_INIT
    /// (draft-ietf-ipsecme-ikev2-downgrade-prevention-08 §6).
    static let fullTranscript = AgreedExtensions(rawValue: 1 << 2)
    /// The responder takes an IKE_AUTH without a child (RFC 6023 §3).
    static let childless = AgreedExtensions(rawValue: 1 << 3)
    /// Postquantum preshared keys (RFC 8784 §3).
    static let ppk = AgreedExtensions(rawValue: 1 << 4)
}
