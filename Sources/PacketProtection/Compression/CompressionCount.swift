/// What compression did on an SA.
package struct CompressionCount: Hashable, Sendable {
    /// Packets with a header of IPComp.
    package private(set) var packets: UInt64 = 0
    /// Octets by which they were shorter.
    package private(set) var savedOctets: UInt64 = 0

    mutating func count(saved octets: Int) {
        packets &+= 1
        savedOctets &+= UInt64(max(octets, 0))
    }
}
