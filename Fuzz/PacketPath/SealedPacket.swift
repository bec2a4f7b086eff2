internal import CPacketCipher
package import IPsecCrypto

/// An ESP packet whose body is `body`, padding, pad length and next header included, sealed as a
/// peer would. Precondition: the body's length is one that the cipher takes.
package func sealed(
    _ body: [UInt8],
    spi: UInt32,
    number: UInt32,
    _ cipher: PacketCipher
) -> [UInt8] {
    var packet = Array(repeating: UInt8(0), count: 8 + cipher.ivLength) + body
    packet += Array(repeating: 0, count: cipher.icvLength)
    packet.store32(spi, 0)
    packet.store32(number, 4)
    unsafe packet.withUnsafeMutableBufferPointer { bytes in
        var job = unsafe cygnet_packet_job(
            esp: bytes.baseAddress,
            body_length: UInt32(body.count),
            sequence_high: 0,
            status: 0
        )
        unsafe cipher.seal(&job, count: 1)
        precondition(unsafe job.status == 0)
    }
    return packet
}

/// A body that ends as RFC 4303 §2.4 says.
package func padded(_ payload: [UInt8], nextHeader: UInt8, block: Int) -> [UInt8] {
    let padding = (block - (payload.count + 2) % block) % block
    return payload + (0..<padding).map { UInt8($0 + 1) } + [UInt8(padding), nextHeader]
}
