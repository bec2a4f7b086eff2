internal import IKEMessages

/// One line for an IKE message, from its header alone.
enum WireHeaderText {
    static func text(_ message: [UInt8]) -> String {
        guard let header = try? WireHeader(reading: message).header else { return "not IKE" }
        return "\(header.exchangeType) \(header.isResponse ? "response" : "request") "
            + "\(header.messageID) \(header.isFromOriginalInitiator ? "i" : "r") "
            + "\(header.initiatorSPI)/\(header.responderSPI), \(message.count) octets"
    }
}
