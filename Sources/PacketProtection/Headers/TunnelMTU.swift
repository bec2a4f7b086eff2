package import IPsecCrypto

/// How large an inner packet may be so that the outer one fits the path (RFC 4301 §8.2).
package enum TunnelMTU {
    /// Octets before the IV: SPI and sequence number (RFC 4303 §2).
    static let headerLength = 8

    /// The largest inner packet in octets: what is left of `linkMTU` behind the outer headers,
    /// the ESP header, IV and ICV, cut to the cipher's block, less the two octets of pad length
    /// and next header. Never below 68, the least that IPv4 must carry (RFC 791 §3.2).
    package static func innerOctets(linkMTU: Int, path: OuterPath, suite: CipherSuite) -> Int {
        let room =
            linkMTU - path.headerLength - headerLength - suite.ivLength - suite.icvLength
        return max(room / suite.blockLength * suite.blockLength - 2, 68)
    }

    /// The largest TCP segment in octets for an inner packet of `mtu`, options not counted.
    static func segmentSize(mtu: Int, isV4: Bool) -> UInt16 {
        // RFC 8200 §5: IPv6 packets of 1280 pass in any case.
        isV4 ? UInt16(clamping: max(mtu - 40, 28)) : UInt16(clamping: max(mtu, 1280) - 60)
    }
}

extension SegmentSizeLimit {
    /// What a SYN may announce at most in a tunnel whose inner packets have `mtu` octets.
    func octets(mtu: Int, isV4: Bool) -> UInt16 {
        switch self {
        case .off: .max
        case .automatic: TunnelMTU.segmentSize(mtu: mtu, isV4: isV4)
        case .fixed(let octets): octets
        }
    }
}
