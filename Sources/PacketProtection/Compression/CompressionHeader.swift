/// The header of IPComp (RFC 3173 §3.3): next header, flags, CPI.
enum CompressionHeader {
    /// RFC 3173 §3.1.
    static let ipProtocol: UInt8 = 108
    /// In octets.
    static let length = 4

    static func write(to header: UnsafeMutableRawPointer, nextHeader: UInt8, index: UInt16) {
        // The flags are zero.
        unsafe header.write16(UInt16(nextHeader) << 8, 0)
        unsafe header.write16(index, 2)
    }
}
