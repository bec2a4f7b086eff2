/// What a message is part of (RFC 7296 §3.1; IANA "IKEv2 Exchange Types").
@frozen @usableFromInline
package struct ExchangeType: Registry {
    @usableFromInline package let rawValue: UInt8

    @inlinable
    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    package static let ikeSAInit = ExchangeType(rawValue: 34)
    package static let ikeAuth = ExchangeType(rawValue: 35)
    package static let createChildSA = ExchangeType(rawValue: 36)
    package static let informational = ExchangeType(rawValue: 37)
    /// RFC 5723 §4.3.
    package static let ikeSessionResume = ExchangeType(rawValue: 38)
    /// RFC 9242 §3.2.
    package static let ikeIntermediate = ExchangeType(rawValue: 43)
    /// RFC 9370 §2.2.4.
    package static let ikeFollowUpKE = ExchangeType(rawValue: 44)

    @usableFromInline package static let kind = "exchange"
    @usableFromInline package static let names: [UInt8: String] = [
        34: "IKE_SA_INIT", 35: "IKE_AUTH", 36: "CREATE_CHILD_SA", 37: "INFORMATIONAL",
        38: "IKE_SESSION_RESUME", 39: "GSA_AUTH", 40: "GSA_REGISTRATION", 41: "GSA_REKEY",
        43: "IKE_INTERMEDIATE", 44: "IKE_FOLLOWUP_KE", 45: "GSA_INBAND_REKEY",
    ]
}
