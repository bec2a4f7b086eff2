internal import IPsecPrimitives

/// ESP on the wire: under one SPI of one receiver and one sender, no number comes twice, and so no
/// initialisation vector that is made of it.
struct PacketNumbers {

    private var last: [Key: UInt32] = [:]

    private struct Key: Hashable {
        let gateway: Int
        let spi: UInt32
        let receiver: IPAddress
    }

    mutating func sent(_ datagram: WireDatagram, by gateway: Int, _ now: UInt64) -> Violation? {
        let bytes = datagram.bytes
        guard bytes.count >= 8 else {
            return Violation(checker: .clear, text: "g\(gateway) sends a stump", time: now)
        }
        func word(_ start: Int) -> UInt32 {
            bytes[start..<start + 4].reduce(0) { $0 << 8 | UInt32($1) }
        }
        let key = Key(gateway: gateway, spi: word(0), receiver: datagram.destination.address)
        let number = word(4)
        guard let before = last.updateValue(number, forKey: key), number <= before else {
            return nil
        }
        return Violation(
            checker: .reuse,
            text: "g\(gateway) sends ESP number \(number) after \(before) under SPI "
                + "\(SPI(rawValue: word(0)))",
            time: now
        )
    }
}
