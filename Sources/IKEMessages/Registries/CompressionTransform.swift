/// Compression of IP payloads (RFC 7296 §2.22; IANA "IKEv2 IPComp Transform IDs").
package struct CompressionTransform: Registry {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    package static let deflate = CompressionTransform(rawValue: 2)
    package static let lzs = CompressionTransform(rawValue: 3)
    package static let lzjh = CompressionTransform(rawValue: 4)

    package static let kind = "compression"
    package static let names: [UInt8: String] = [
        1: "IPCOMP_OUI", 2: "IPCOMP_DEFLATE", 3: "IPCOMP_LZS", 4: "IPCOMP_LZJH",
    ]
}
