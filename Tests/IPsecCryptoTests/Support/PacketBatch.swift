import CPacketCipher
import IPsecCrypto
import Testing

/// ESP packets from SPI to ICV, for a packet cipher to work on.
struct PacketBatch: Hashable {
    let suite: CipherSuite
    var packets: [[UInt8]] = []
    var sequenceHigh: UInt32 = 0

    /// Adds a packet; without an IV its place is left empty.
    mutating func append(
        spi: UInt32,
        sequence: UInt32,
        iv: [UInt8]? = nil,
        body: [UInt8],
        icv: [UInt8]? = nil
    ) {
        let header = [spi, sequence].flatMap { word in
            (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) }
        }
        packets.append(
            header + (iv ?? Array(repeating: 0, count: suite.ivLength)) + body
                + (icv ?? Array(repeating: 0, count: suite.icvLength))
        )
    }

    /// The bodies, without IV and ICV.
    var bodies: [[UInt8]] {
        packets.map { Array($0[(8 + suite.ivLength)..<($0.count - suite.icvLength)]) }
    }

    var icvs: [[UInt8]] {
        packets.map { Array($0.suffix(suite.icvLength)) }
    }

    /// Runs `operation` on all packets in one call and gives the status of each.
    ///
    /// A few packets may take another way than many: few are run a second time, in a batch that
    /// holds them again and again, and must fare alike.
    mutating func run(
        _ operation: (UnsafeMutablePointer<cygnet_packet_job>, Int) -> Void
    ) -> [UInt32] {
        let before = packets
        let statuses = unsafe runOnce(operation)
        if (1..<8).contains(before.count) {
            var many = self
            let copies = (0..<8).flatMap { _ in before }
            many.packets = copies
            let manyStatuses = unsafe many.runOnce(operation)
            #expect(manyStatuses == (0..<8).flatMap { _ in statuses })
            for (index, packet) in many.packets.enumerated() where manyStatuses[index] == ok {
                #expect(packet == packets[index % before.count])
            }
        }
        return statuses
    }

    private mutating func runOnce(
        _ operation: (UnsafeMutablePointer<cygnet_packet_job>, Int) -> Void
    ) -> [UInt32] {
        let lengths = packets.map(\.count)
        var flat = Array(packets.joined())
        var jobs: [cygnet_packet_job] = unsafe []
        unsafe flat.withUnsafeMutableBufferPointer { area in
            var start = 0
            for length in lengths {
                unsafe jobs.append(
                    cygnet_packet_job(
                        esp: area.baseAddress! + start,
                        body_length: UInt32(length - 8 - suite.ivLength - suite.icvLength),
                        sequence_high: sequenceHigh,
                        status: 99
                    )
                )
                start += length
            }
            unsafe jobs.withUnsafeMutableBufferPointer { jobs in
                unsafe operation(jobs.baseAddress!, jobs.count)
            }
        }
        var start = 0
        packets = lengths.map { length in
            defer { start += length }
            return Array(flat[start..<start + length])
        }
        return unsafe jobs.map { unsafe $0.status }
    }

    mutating func seal(with cipher: PacketCipher) -> [UInt32] {
        unsafe run { jobs, count in unsafe cipher.seal(jobs, count: count) }
    }

    mutating func sealKeepingIVs(with cipher: PacketCipher) -> [UInt32] {
        unsafe run { jobs, count in unsafe cipher.sealKeepingIVs(jobs, count: count) }
    }

    mutating func open(with cipher: PacketCipher) -> [UInt32] {
        unsafe run { jobs, count in unsafe cipher.open(jobs, count: count) }
    }
}

let ok = CYGNET_PACKET_OK.rawValue
let authenticationFailed = CYGNET_PACKET_AUTHENTICATION_FAILED.rawValue
let badLength = CYGNET_PACKET_BAD_LENGTH.rawValue
