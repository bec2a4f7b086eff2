internal import FuzzPacketPath

/// An inner packet as an input wants it. The first octet of a piece tells how much help it gets.
struct ErrorPiece {
    private enum Wish {
        /// The piece is what an error quotes; else it is the packet.
        static let quoted: UInt8 = 0x01
        /// The error goes to whom the quoted packet came from.
        static let toSender: UInt8 = 0x02
        /// The error comes from where the quoted packet went.
        static let fromTarget: UInt8 = 0x04
        static let typeShift = 4
    }

    private(set) var bytes: [UInt8]

    init(_ piece: [UInt8], _ form: ErrorForm) {
        let wishes = piece.first ?? 0
        let content = Array(piece.dropFirst())
        guard wishes & Wish.quoted != 0 else {
            bytes = content
            return
        }
        let length = form.isV4 ? 4 : 16
        let place = form.isV4 ? 12 : 8
        let isLong = content.count >= place + 2 * length
        let sender = isLong ? Array(content[place..<(place + length)]) : form.near
        let target =
            isLong ? Array(content[(place + length)..<(place + 2 * length)]) : form.far
        let destination = wishes & Wish.toSender != 0 ? sender : form.near
        let source = wishes & Wish.fromTarget != 0 ? target : [UInt8](repeating: 9, count: length)
        let types: [UInt8] =
            form.isV4
            ? [3, 11, 12, 5, 4, 8, 0, 13, 3, 3, 11, 3, 12, 30, 40, 3]
            : [1, 2, 3, 4, 0, 5, 128, 129, 1, 2, 3, 4, 133, 137, 200, 1]
        let type = types[Int(wishes >> Wish.typeShift)]
        let message = [type, 0, 0, 0, 0, 0, 5, 0] + content
        if form.isV4 {
            bytes = [0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0] + source + destination
            bytes.store16(20 + message.count, 2)
            storeHeaderChecksum(&bytes, length: 20)
        } else {
            bytes = [0x60, 0, 0, 0, 0, 0, 58, 64] + source + destination
            bytes.store16(message.count, 4)
        }
        bytes += message
    }
}
