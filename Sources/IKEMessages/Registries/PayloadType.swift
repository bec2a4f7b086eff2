/// What a payload is (RFC 7296 §3.2; IANA "IKEv2 Payload Types").
@frozen @usableFromInline
package struct PayloadType: Registry {
    @usableFromInline package let rawValue: UInt8

    @inlinable
    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// "No Next Payload": the chain ends.
    package static let none = PayloadType(rawValue: 0)
    package static let securityAssociation = PayloadType(rawValue: 33)
    package static let keyExchange = PayloadType(rawValue: 34)
    package static let identificationInitiator = PayloadType(rawValue: 35)
    package static let identificationResponder = PayloadType(rawValue: 36)
    package static let certificate = PayloadType(rawValue: 37)
    package static let certificateRequest = PayloadType(rawValue: 38)
    package static let authentication = PayloadType(rawValue: 39)
    package static let nonce = PayloadType(rawValue: 40)
    package static let notify = PayloadType(rawValue: 41)
    package static let delete = PayloadType(rawValue: 42)
    package static let vendorID = PayloadType(rawValue: 43)
    package static let trafficSelectorInitiator = PayloadType(rawValue: 44)
    package static let trafficSelectorResponder = PayloadType(rawValue: 45)
    package static let encrypted = PayloadType(rawValue: 46)
    package static let configuration = PayloadType(rawValue: 47)
    package static let extensibleAuthentication = PayloadType(rawValue: 48)
    /// RFC 7383 §2.5.
    package static let encryptedFragment = PayloadType(rawValue: 53)
    /// RFC 8019 §8.2.
    package static let puzzleSolution = PayloadType(rawValue: 54)

    @usableFromInline package static let kind = "payload"
    @usableFromInline package static let names: [UInt8: String] = [
        0: "none", 33: "SA", 34: "KE", 35: "IDi", 36: "IDr", 37: "CERT", 38: "CERTREQ",
        39: "AUTH", 40: "Nonce", 41: "N", 42: "D", 43: "V", 44: "TSi", 45: "TSr", 46: "SK",
        47: "CP", 48: "EAP", 49: "GSPM", 50: "IDg", 51: "GSA", 52: "KD", 53: "SKF", 54: "PS",
    ]
}
