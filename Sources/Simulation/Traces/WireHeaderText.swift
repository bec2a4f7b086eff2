internal import IKEMessages

/// One line for an IKE message, from its header alone.
enum WireHeaderText {
    static func text(_ message: [UInt8]) -> String {
        guard let header = try? WireHeader(reading: message).header else { return "not IKE" }
        return "\(kind(header)) \(header.initiatorSPI)/\(header.responderSPI), "
            + "\(message.count) octets"
    }

    /// Its exchange, its number and who sends it.
    static func kind(_ message: [UInt8]) -> String {
        (try? WireHeader(reading: message).header).map(kind) ?? "not IKE"
    }

    private static func kind(_ header: MessageHeader) -> String {
        "\(header.exchangeType) \(header.isResponse ? "response" : "request") "
            + "\(header.messageID) \(header.isFromOriginalInitiator ? "i" : "r")"
    }
}
