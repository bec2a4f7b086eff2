internal import FuzzPacketPath

/// A packet with AH as the SA's peer could make it, with whatever headers the input wants.
///
/// The octets of a piece: what to do (see below), how far the number is from the last, which bit to
/// turn, in two octets, how many words or headers of options; then fields, options and payload.
struct ForgedPacket {
    private enum Wish {
        static let version6: UInt8 = 0x01
        /// One bit is turned behind the ICV's back.
        static let turnedBit: UInt8 = 0x02
        /// AH four octets longer than it need be.
        static let longer: UInt8 = 0x04
        /// The inner packet's version and length are made right.
        static let wholeInner: UInt8 = 0x08
        static let nextShift = 4
        /// What the piece has for a fragment's field goes in, not zero.
        static let fragment: UInt8 = 0x40
    }

    private(set) var bytes: [UInt8] = []
    private(set) var number: UInt64

    private let wishes: UInt8
    private var rest: ArraySlice<UInt8>
    private var prefix = 0

    init(_ piece: [UInt8], after last: UInt64, _ judge: AuthenticationJudge) {
        wishes = piece.first ?? 0
        rest = piece.dropFirst()
        number = 0
        let step = Int(Int8(bitPattern: take()))
        number = UInt64(max(Int(last) + step, 0))
        let turned = Int(take()) << 8 | Int(take())
        let options = Int(take())
        if wishes & Wish.version6 == 0 {
            writeV4(words: options % 11)
        } else {
            writeV6(options % 7)
        }
        finish(judge)
        if wishes & Wish.turnedBit != 0 {
            bytes[turned / 8 % bytes.count] ^= 1 << UInt8(turned % 8)
        }
    }

    private mutating func take() -> UInt8 { rest.popFirst() ?? 0 }

    private mutating func take(_ count: Int) -> [UInt8] { (0..<count).map { _ in take() } }

    private mutating func writeV4(words: Int) {
        prefix = 20 + 4 * words
        bytes = [0x40 | UInt8(prefix / 4), take(), 0, 0] + take(2)
        let fragment = take(2)
        bytes += wishes & Wish.fragment != 0 ? fragment : [fragment[0] & 0x40, 0]
        bytes += [take(), 51] + take(2)
        bytes += [198, 51, 100, 2, 192, 0, 2, 1]
        bytes += take(4 * words)
    }

    private mutating func writeV6(_ count: Int) {
        bytes = [0x60 | take() & 15] + take(3) + [0, 0, 51, take()]
        bytes += [0x20, 1, 0x0d, 0xb8] + Array(repeating: 0, count: 11) + [2]
        bytes += [0x20, 1, 0x0d, 0xb8] + Array(repeating: 0, count: 11) + [1]
        var place = 6
        for _ in 0..<count {
            let form = take()
            bytes[place] = [0, 43, 60, 44][Int(form & 3)]
            place = bytes.count
            let units = Int(form >> 2 & 3)
            bytes += [51, UInt8(units)] + take(8 * units + 6)
        }
        prefix = bytes.count
    }

    /// Writes AH and payload, then lengths, then the ICV.
    private mutating func finish(_ judge: AuthenticationJudge) {
        let least = 12 + judge.algorithm.icvLength
        var length = bytes[0] >> 4 == 4 ? (least + 3) / 4 * 4 : (least + 7) / 8 * 8
        if wishes & Wish.longer != 0 { length += 4 }
        let named = take()
        let next = [4, 41, 6, named][Int(wishes >> Wish.nextShift & 3)]
        var header = Array(repeating: UInt8(0), count: 12)
        header[0] = next
        header[1] = UInt8(length / 4 - 2)
        header.store32(FuzzAuthentication.spi, 4)
        header.store32(UInt32(truncatingIfNeeded: number), 8)
        bytes += header + Array(repeating: 0, count: length - 12)
        var payload = Array(rest)
        if wishes & Wish.wholeInner != 0 { makeWhole(&payload, isV4: next == 4) }
        bytes += payload
        bytes.store16(bytes.count - (bytes[0] >> 4 == 4 ? 0 : 40), bytes[0] >> 4 == 4 ? 2 : 4)
        guard let packet = AuthenticatedPacket(bytes),
            let icv = judge.icv(packet, number: number)
        else { return }
        bytes.replaceSubrange((prefix + 12)..<(prefix + 12 + icv.count), with: icv)
    }

    private func makeWhole(_ payload: inout [UInt8], isV4: Bool) {
        guard payload.count >= (isV4 ? 20 : 40) else { return }
        if isV4 {
            payload[0] = 0x45
            payload.store16(payload.count, 2)
        } else {
            payload[0] = payload[0] & 15 | 0x60
            payload.store16(payload.count - 40, 4)
        }
    }
}
