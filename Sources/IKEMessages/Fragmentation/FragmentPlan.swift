/// How a message is cut so that no IP datagram is larger than a threshold (RFC 7383 §2.5.1).
package struct FragmentPlan: Hashable, Sendable {
    /// What a fragment holds at least, however small the threshold, so that the number of
    /// fragments stays sane.
    private static let smallestChunk = 64

    /// Octets of content in each fragment but the last.
    package let chunkOctets: Int
    /// One: the message fits as it is and is not cut.
    package let total: Int

    /// - Parameters:
    ///   - contentOctets: of the Encrypted payload, without padding.
    ///   - messageOctets: that an IKE message may have at most, its header included.
    package init(contentOctets: Int, messageOctets: Int, lengths: SealingLengths) {
        let fixed =
            MessageHeader.octets + PayloadLink.headerOctets + lengths.initialisationVector
            + lengths.integrityCheckValue
        if FragmentPlan.padded(contentOctets + 1, lengths.block) <= messageOctets - fixed {
            chunkOctets = contentOctets
            total = 1
            return
        }
        // Fragment Number and Total Fragments take four octets, the pad length one.
        let room = (messageOctets - fixed - 4) / lengths.block * lengths.block - 1
        chunkOctets = max(room, FragmentPlan.smallestChunk)
        total = max((contentOctets + chunkOctets - 1) / chunkOctets, 1)
    }

    private static func padded(_ octets: Int, _ block: Int) -> Int {
        (octets + block - 1) / block * block
    }

    /// Where the fragment `number`, counted from one, lies in the content.
    package func range(of number: Int, in contentOctets: Int) -> Range<Int> {
        let start = min((number - 1) * chunkOctets, contentOctets)
        return start..<min(start + chunkOctets, contentOctets)
    }
}
