/// What an EAP packet is (RFC 3748 §4).
package struct EAPCode: Registry {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    package static let request = EAPCode(rawValue: 1)
    package static let response = EAPCode(rawValue: 2)
    package static let success = EAPCode(rawValue: 3)
    package static let failure = EAPCode(rawValue: 4)

    package static let kind = "EAP code"
    package static let names: [UInt8: String] = [
        1: "Request", 2: "Response", 3: "Success", 4: "Failure",
    ]
}
