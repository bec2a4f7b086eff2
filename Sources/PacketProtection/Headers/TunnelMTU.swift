package import IPsecCrypto
internal import IPsecPrimitives

/// How large an inner packet may be so that the outer one fits the path (RFC 4301 §8.2).
package enum TunnelMTU {
    /// Octets before the IV: SPI and sequence number (RFC 4303 §2).
    static let headerLength = 8

    /// The largest inner packet in octets: what is left of `linkMTU` behind the outer headers,
    /// the ESP header, IV and ICV, cut to the cipher's block, less the two octets of pad length
    /// and next header. Never below 68, the least that IPv4 must carry (RFC 791 §3.2).
    package static func innerOctets(linkMTU: Int, path: OuterPath, suite: CipherSuite) -> Int {
        innerOctets(
            linkMTU: linkMTU,
            path: path,
            overhead: suite.ivLength + suite.icvLength,
            block: suite.blockLength
        )
    }

    private static func innerOctets(
        linkMTU: Int,
        path: OuterPath,
        overhead: Int,
        block: Int
    ) -> Int {
        let room = linkMTU - path.headerLength - headerLength - overhead
        return max(room / block * block - 2, 68)
    }

    /// The largest packet in octets, with its own IP header, that fits `linkMTU` as the SA carries
    /// it: in transport mode the header is the outer one as well.
    static func packetOctets(
        linkMTU: Int,
        path: OuterPath,
        shape: TransformShape,
        carriage: PacketCarriage
    ) -> Int {
        let header = path.version == .v4 ? 20 : 40
        let inner =
            carriage.isAuthenticationHeader
            ? max(linkMTU - header - shape.authentication, 68)
            : innerOctets(
                linkMTU: linkMTU,
                path: path,
                overhead: shape.iv + shape.icv,
                block: shape.block
            )
        return carriage.isTransport ? inner + header : inner
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
