/// What both ends of an IKE SA have said in IKE_SA_INIT that they can do.
struct AgreedExtensions: OptionSet, Hashable {
    let rawValue: UInt16

    /// RFC 7383 §2.3.
    static let fragmentation = AgreedExtensions(rawValue: 1 << 0)
    /// IKE_INTERMEDIATE (RFC 9242 §3.1).
    static let intermediate = AgreedExtensions(rawValue: 1 << 1)
}
