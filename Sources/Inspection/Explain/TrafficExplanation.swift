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
