internal import IPsecPrimitives

/// Everything that happens, as a number that is the same wherever and whenever a seed runs, and,
/// if somebody listens, in words.
package struct Trace {
    package private(set) var hash: UInt64 = 0x6379_676e_6574_0001
    /// Who sent how much when, whatever it was: the same for other keys.
    package private(set) var shape: UInt64 = 0
    private let listener: ((String) -> Void)?

    package init(listener: ((String) -> Void)? = nil) { self.listener = listener }

    mutating func mix(_ value: UInt64) { hash = (hash ^ Dice.mix(value)) &* 0x1000_0000_01b3 }

    mutating func mix(_ bytes: [UInt8]) {
        var word: UInt64 = UInt64(bytes.count)
        for byte in bytes { word = (word ^ UInt64(byte)) &* 0x1000_0000_01b3 }
        mix(word)
    }

    mutating func mix(_ text: String) {
        var word: UInt64 = 0
        for byte in text.utf8 { word = (word ^ UInt64(byte)) &* 0x1000_0000_01b3 }
        mix(word)
    }

    func note(at time: UInt64, _ line: () -> String) {
        guard let listener else { return }
        listener("\(VirtualTime.text(time)) \(line())")
    }

    mutating func sent(_ datagram: WireDatagram, by gateway: Int, at time: UInt64) {
        mix(time)
        mix(UInt64(gateway) << 8 | UInt64(datagram.carrier.rawValue))
        mix(datagram.bytes)
        shape = Dice.mix(shape ^ time ^ UInt64(gateway) << 48 ^ UInt64(datagram.bytes.count))
        note(at: time) { "g\(gateway) sends \(Trace.text(datagram))" }
    }

    mutating func arrived(_ datagram: WireDatagram, at gateway: Int, _ time: UInt64) {
        mix(time ^ UInt64(gateway) << 56 ^ datagram.number)
        note(at: time) { "g\(gateway) receives \(Trace.text(datagram))" }
    }

    private static func text(_ datagram: WireDatagram) -> String {
        let what: String
        if let message = datagram.ikeMessage {
            what = WireHeaderText.text(message)
        } else if datagram.isESP {
            what = "ESP"
        } else {
            what = "\(datagram.bytes.count) octets"
        }
        return "#\(datagram.number) \(datagram.source) -> \(datagram.destination) \(what)"
    }
}
