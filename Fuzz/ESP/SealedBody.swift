internal import FuzzPacketPath
internal import IPsecCrypto

/// The plaintext of one ESP packet as the input gives it.
///
/// The first octet tells how much help it gets, so that the fuzzer need not guess checksums: 1, a
/// trailer is put behind it; 2, the checksums of IPv4 and TCP are made right. In a train 4 and 8 leave
/// out as many numbers before it, and 16 gives it the number before.
struct SealedBody {
    var bytes: [UInt8]
    /// From the number of the body before to its own.
    var step: Int

    init(_ piece: [UInt8], tunnel: FuzzTunnel) {
        let help = piece.first ?? 0
        step = tunnel.isTrain ? 1 + Int(help >> 2 & 3) - (help & 16 != 0 ? 2 : 0) : 1
        bytes = Array(piece.dropFirst())
        if help & 2 != 0 { repairChecksums() }
        let block = tunnel.suite.blockLength
        if help & 1 != 0 {
            let isV4 = (bytes.first ?? 0) >> 4 == 4
            let next: UInt8 = tunnel.isTrain ? 144 : isV4 ? 4 : 41
            bytes = padded(bytes, nextHeader: next, block: block)
        } else {
            bytes += Array(repeating: 0, count: (block - bytes.count % block) % block)
            if bytes.isEmpty { bytes = Array(repeating: 0, count: block) }
        }
    }

    private mutating func repairChecksums() {
        guard bytes.count >= 40 else { return }
        let isV4 = bytes[0] >> 4 == 4
        let header = isV4 ? Int(bytes[0] & 15) * 4 : 40
        let total = isV4 ? bytes.number16(2) : 40 + bytes.number16(4)
        guard header >= 20, total >= header + 20, total <= bytes.count else { return }
        if isV4 { store(bytes[..<header], at: 10) }
        guard bytes[isV4 ? 9 : 6] == 6 else { return }
        let length = total - header
        let pseudo = [UInt8(length >> 8), UInt8(length & 255), 0, 6]
        store(
            bytes[(isV4 ? 12 : 8)..<(isV4 ? 20 : 40)] + pseudo + bytes[header..<total],
            at: header + 16
        )
    }

    /// Corrects the checksum at `offset` so that `octets`, which hold it, sum up (RFC 1624 §3).
    private mutating func store(_ octets: ArraySlice<UInt8>, at offset: Int) {
        var sum = 0
        for (index, octet) in octets.enumerated() {
            sum += index % 2 == 0 ? Int(octet) << 8 : Int(octet)
        }
        sum += 0xffff - bytes.number16(offset)
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        bytes.store16(0xffff - sum, offset)
    }
}
