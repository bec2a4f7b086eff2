extension DecodedCapture {
    /// The tree as text, a line each.
    package var lines: [String] {
        var writer = TreeWriter()
        for frame in frames { writer.write(frame) }
        for problem in problems { writer.line("problem: \(problem.text)") }
        if otherFrames > 0 { writer.line("\(otherFrames) frames with neither IKE nor ESP") }
        if writer.lines.isEmpty { writer.line("a capture without a frame") }
        return writer.lines
    }
}

extension DecodedProblem {
    package var text: String { offset.map { "\(reason) (octet \($0))" } ?? reason }
}

/// Writes indented lines.
private struct TreeWriter {
    private(set) var lines: [String] = []
    private var depth = 0

    mutating func line(_ text: String) {
        lines.append(String(repeating: "  ", count: depth) + text)
    }

    private mutating func nested(_ body: (inout TreeWriter) -> Void) {
        depth += 1
        body(&self)
        depth -= 1
    }

    mutating func write(_ frame: DecodedFrame) {
        var head = "frame \(frame.number)"
        if let source = frame.source, let destination = frame.destination {
            head += "  \(frame.time) s  \(source) > \(destination)"
        }
        switch frame.kind {
        case .ike: line("\(head)  \(frame.ike?.summary ?? "IKE")")
        case .esp: line("\(head)  ESP")
        case .keepalive: line("\(head)  NAT keepalive")
        case .fragment: line("\(head)  IP fragment (not put together)")
        }
        nested { writer in
            if let message = frame.ike { writer.write(message) }
            if let packet = frame.esp { writer.write(packet) }
        }
    }

    private mutating func write(_ message: DecodedMessage) {
        if let header = message.header {
            let sender = header.isFromOriginalInitiator ? "initiator" : "responder"
            line(
                "SPIs \(header.initiatorSPI) \(header.responderSPI), version \(header.version), "
                    + "from the original \(sender), \(header.octets) octets"
            )
        }
        write(message.payloads)
        if let encrypted = message.encrypted { write(encrypted) }
        if let problem = message.problem { line("malformed: \(problem.text)") }
    }

    private mutating func write(_ encrypted: DecodedEncryption) {
        var text = "\(encrypted.type), \(encrypted.octets) octets"
        if let fragment = encrypted.fragment { text += ", fragment \(fragment)" }
        switch encrypted.state {
        case .opened: text += ": authentic"
        case .noKey: text += ": encrypted, no key given"
        case .notAuthentic: text += ": not authentic with the keys given"
        case .incomplete: text += ": authentic, other fragments missing"
        }
        if let cipher = encrypted.cipher { text += " (\(cipher))" }
        line(text)
        nested { writer in
            writer.write(encrypted.payloads)
            if let problem = encrypted.problem { writer.line("malformed: \(problem.text)") }
        }
    }

    private mutating func write(_ payloads: [DecodedPayload]) {
        for payload in payloads {
            line(
                "\(payload.type), \(payload.octets) octets\(payload.isCritical ? ", critical" : "")"
            )
            nested { writer in
                for field in payload.fields { writer.write(field) }
                if let problem = payload.problem { writer.line("malformed: \(problem.text)") }
            }
        }
    }

    /// Longer values are for the JSON form.
    private static let valueLimit = 80

    private mutating func write(_ field: DecodedField) {
        if let value = field.value {
            let isLong = value.count > TreeWriter.valueLimit
            let text = isLong ? "\(value.prefix(TreeWriter.valueLimit - 16))..." : value
            line("\(field.name): \(text)")
        } else {
            line(field.name)
        }
        nested { writer in
            for field in field.fields ?? [] { writer.write(field) }
        }
    }

    private mutating func write(_ packet: DecodedPacket) {
        let spi = packet.spi.map { "SPI \($0), " } ?? ""
        let sequence = packet.sequence.map { "sequence \($0), " } ?? ""
        var text = "\(spi)\(sequence)\(packet.octets) octets"
        switch packet.state {
        case .opened: text += ": authentic"
        case .notAuthentic: text += ": not authentic with the keys given"
        case .noKey, .incomplete: text += ": encrypted, no key given"
        }
        if let cipher = packet.cipher { text += " (\(cipher))" }
        line(text)
        if let next = packet.nextHeader, let pad = packet.padOctets {
            line("next header \(next), padding \(pad) octets")
        }
        if let inner = packet.inner { line(inner) }
        if let problem = packet.problem { line("malformed: \(problem.text)") }
    }
}

extension DecodedMessage {
    /// `IKE_AUTH request 1`.
    fileprivate var summary: String {
        guard let header else { return "IKE" }
        return
            "\(header.exchange) \(header.isResponse ? "response" : "request") \(header.messageID)"
    }
}
