internal import CPacketCipher
internal import IPsecCrypto

/// Seals what no honest sender would.
enum TestSeal {
    static func seal(_ esp: UnsafeMutableRawPointer, bodyLength: Int, _ cipher: PacketCipher) {
        var job = unsafe cygnet_packet_job(
            esp: esp.assumingMemoryBound(to: UInt8.self),
            body_length: UInt32(bodyLength),
            sequence_high: 0,
            status: 0
        )
        unsafe cipher.seal(&job, count: 1)
    }
}
