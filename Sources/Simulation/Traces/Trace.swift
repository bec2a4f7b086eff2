internal import IPsecPrimitives

/// Everything that happens, as a number that is the same wherever and whenever a seed runs, and,
/// if somebody listens, in words.
package struct Trace {
    package private(set) var hash: UInt64 = 0x6379_676e_6574_0001
    /// Step by step, without what the keys make of it; nil: nobody wants to know.
    private(set) var course: Course?
    private let listener: ((String) -> Void)?

    package init(listener: ((String) -> Void)? = nil) { self.listener = listener }

    /// - Parameter course: what happens is written down there.
    init(course: Course) {
        self.course = course
        listener = nil
    }

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

    func note(at time: UInt64, _ line: () -> String?) {
        guard let listener, let line = line() else { return }
        listener("\(VirtualTime.text(time)) \(line)")
    }

    mutating func record(
        at time: UInt64,
        _ gateway: Int?,
        octets: Int = 0,
        _ what: () -> String
    ) {
        guard course != nil else { return }
        course?.add(Course.Step(time: time, gateway: gateway, what: what(), octets: octets))
    }

    mutating func sent(_ datagram: WireDatagram, by gateway: Int, at time: UInt64) {
        mix(time)
        mix(UInt64(gateway) << 8 | UInt64(datagram.carrier.rawValue))
        mix(datagram.bytes)
        record(at: time, gateway, octets: datagram.bytes.count) {
            guard let message = datagram.ikeMessage else { return "sends by \(datagram.carrier)" }
            return "sends \(WireHeaderText.kind(message))"
        }
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
