internal import Crypto
internal import Foundation
internal import FuzzPacketPath

/// An inbound SA of AH written a second time, from RFC 4302 and with another library: which packets
/// it takes, and what they are then.
struct AuthenticationJudge {
    enum Algorithm {
        case sha256
        case sha1

        var icvLength: Int { self == .sha256 ? 16 : 12 }
        var key: [UInt8] { Array(repeating: 3, count: self == .sha256 ? 32 : 20) }
    }

    enum Verdict {
        case refused
        /// Authentic and new.
        case authentic(AuthenticatedPacket)
        /// More padding than alignment needs: prohibited to senders (RFC 4302 §3.3.3.2.1), and no
        /// word about receivers.
        case unsettled
    }

    let algorithm: Algorithm
    let isExtended: Bool
    private(set) var highest: UInt64
    private var seen: Set<UInt64> = []
    private let first: UInt64

    static let window = 64

    init(_ algorithm: Algorithm, isExtended: Bool, highest: UInt64) {
        self.algorithm = algorithm
        self.isExtended = isExtended
        self.highest = highest
        first = highest + 1
    }

    mutating func judge(_ octets: [UInt8], spi: UInt32) -> Verdict {
        guard let packet = AuthenticatedPacket(octets), packet.spi == spi,
            let number = number(packet.number)
        else { return .refused }
        let least = 12 + algorithm.icvLength
        let aligned = (least + 7) / 8 * 8
        let isLength =
            packet.length == aligned || packet.isV4 && packet.length == (least + 3) / 4 * 4
        if !isLength {
            return packet.isV4 && (least..<least + 8).contains(packet.length)
                ? .unsettled : .refused
        }
        guard icv(packet, number: number) == icvField(packet) else { return .refused }
        seen.insert(number)
        highest = max(highest, number)
        return .authentic(packet)
    }

    /// RFC 4302 §3.4.3 and appendix B2.1: the least number with these low bits that lies within the
    /// window or above; nil where there is none, and where it was seen or may have been.
    private func number(_ low: UInt32) -> UInt64? {
        let bottom = Int(highest) - AuthenticationJudge.window + 1
        var number = Int(low)
        if isExtended {
            while number - (1 << 32) >= bottom { number -= 1 << 32 }
            while number < bottom { number += 1 << 32 }
        }
        guard number >= max(bottom, Int(first), 1), !seen.contains(UInt64(number)) else {
            return nil
        }
        return UInt64(number)
    }

    func icvField(_ packet: AuthenticatedPacket) -> [UInt8] {
        Array(packet.bytes[(packet.prefix + 12)...].prefix(algorithm.icvLength))
    }

    /// RFC 4302 §3.3.3; nil where the headers have none.
    func icv(_ packet: AuthenticatedPacket, number: UInt64) -> [UInt8]? {
        guard var covered = packet.coveredHeaders else { return nil }
        var rest = Array(packet.bytes[packet.prefix...])
        for place in 12..<(12 + algorithm.icvLength) { rest[place] = 0 }
        covered += rest
        if isExtended {
            covered += [0, 0, 0, 0]
            covered.store32(UInt32(number >> 32), covered.count - 4)
        }
        let key = SymmetricKey(data: algorithm.key)
        let code =
            switch algorithm {
            case .sha256: Array(HMAC<SHA256>.authenticationCode(for: covered, using: key))
            case .sha1: Array(HMAC<Insecure.SHA1>.authenticationCode(for: covered, using: key))
            }
        return Array(code.prefix(algorithm.icvLength))
    }
}
