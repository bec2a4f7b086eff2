internal import Configuration
internal import Management

/// The limits on what leaves, for people.
struct TrafficText {
    private let traffic: [TrafficStatus]

    init(_ traffic: [TrafficStatus]) {
        self.traffic = traffic
    }

    var lines: [String] {
        ["Traffic"]
            + traffic.flatMap { shaper in
                ["  \(shaper.name)" + (shaper.rate.map { ": \($0.rateText)" } ?? "")]
                    + shaper.classes.flatMap(describe)
            }
    }

    private func describe(_ category: TrafficClassStatus) -> [String] {
        var lines = [
            "    \(category.name): priority \(category.priority), weight \(category.weight)"
                + (category.rate.map { ", at most \($0.rateText)" } ?? ""),
            "      sent \(count(category.sent)), \(count(category.waiting)) waiting; delay "
                + "\(milliseconds(category.delaySeconds)), at most "
                + milliseconds(category.longestDelaySeconds),
        ]
        if let drops = category.drops, !drops.isEmpty {
            let counts = drops.map { "\($0.packets) \($0.reason)" }
            lines.append("      dropped " + counts.joined(separator: ", "))
        }
        return lines
    }

    private func count(_ count: TrafficCount) -> String {
        "\(count.packets) packets, \(StatusText.size(count.bytes))"
    }

    /// With one digit behind the point, and two of what is shorter than a millisecond.
    private func milliseconds(_ seconds: Double) -> String {
        let hundredths = Int((max(seconds, 0) * 100_000).rounded())
        let (whole, rest) = (hundredths / 100, hundredths % 100)
        return whole >= 1 ? "\(whole).\(rest / 10) ms" : "0.\(rest < 10 ? "0" : "")\(rest) ms"
    }
}
