internal import Configuration
internal import IPsecPrimitives

/// What `traffic` says of a gateway, a connection or a tunnel, in words.
enum TrafficExplanation {
    /// - Parameter owner: whom it is about: `it`, `all tunnels together`.
    static func lines(_ traffic: TrafficConfiguration?, _ owner: String) -> [String] {
        guard let traffic else { return [] }
        let rate = traffic.rate.value
        let weight = traffic.weight.value
        var lines = [
            (rate.map { "\(owner) may send \($0.rateText)" }
                ?? "\(owner): no rate besides the gateway's")
                + (weight == 1 ? "" : ", with weight \(weight) beside others")
        ]
        for category in traffic.classes ?? [] { lines.append("  " + words(category)) }
        return lines
    }

    /// The class in which a packet waits that a tunnel protects; nil where nothing waits.
    static func className(
        of question: PacketQuestion,
        _ path: TunnelPath,
        in configuration: GatewayConfiguration
    ) -> String? {
        guard let connection = configuration.connection(named: path.connection),
            let tunnel = connection.tunnels.first(where: { $0.path == path })
        else { return nil }
        let own = tunnel.traffic ?? connection.traffic
        guard own != nil || configuration.settings.traffic?.rate.value != nil else { return nil }
        let classes = configuration.trafficClasses(own)
        let found = classes.first { category in
            category.matches.contains {
                covers($0, question, ownBits: configuration.settings.firewallMask)
            }
        }
        return (found ?? classes.last)?.name.value
    }

    private static func covers(
        _ match: TrafficMatchConfiguration,
        _ question: PacketQuestion,
        ownBits: UInt32
    ) -> Bool {
        let ports = [question.sourcePort, question.destinationPort].compactMap(\.self)
        func isAny<Value>(_ list: [Value], _ fits: (Value) -> Bool) -> Bool {
            list.isEmpty || list.contains(where: fits)
        }
        return isAny(match.codePoints) { $0 == question.codePoint }
            && isAny(match.marks) { $0.value.covers(question.mark, beside: ownBits) }
            && isAny(match.protocols) { $0 == question.ipProtocol }
            && isAny(match.ports) { range in
                ports.contains { range.lower <= $0 && $0 <= range.upper }
            }
            && isAny(match.local) { $0.contains(question.source) }
            && isAny(match.remote) { $0.contains(question.destination) }
    }

    private static func words(_ category: TrafficClassConfiguration) -> String {
        let which =
            category.matches.isEmpty
            ? "what no other class takes" : category.matches.map(words).joined(separator: ", or ")
        return "class \(category.name.value): \(which); priority \(category.priority), weight "
            + "\(category.weight)" + (category.rate.value.map { ", at most \($0.rateText)" } ?? "")
            + ", waits for \(category.queue.configurationText) at most"
    }

    private static func words(_ match: TrafficMatchConfiguration) -> String {
        var parts: [String] = []
        func add(_ name: String, _ values: [String]) {
            if !values.isEmpty { parts.append("\(name) " + values.joined(separator: " or ")) }
        }
        add("DSCP", match.codePoints.map(CodePoint.name))
        add("mark", match.marks.map(\.value.description))
        add("protocol", match.protocols.map(IPProtocolName.name))
        add(
            "port",
            match.ports.map { range in
                range.lower == range.upper ? "\(range.lower)" : "\(range.lower)-\(range.upper)"
            }
        )
        add("from", match.local.map(\.description))
        add("to", match.remote.map(\.description))
        return parts.joined(separator: " ")
    }
}
