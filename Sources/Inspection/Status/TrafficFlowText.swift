internal import Management

/// What a pair of SAs does against the analysis of its traffic, for people.
struct TrafficFlowText {
    private let flow: TrafficFlowStatus

    init(_ flow: TrafficFlowStatus) { self.flow = flow }

    var lines: [String] {
        guard let train = flow.train else {
            let dummies = flow.dummiesSent.map { ", \($0) dummy packets" } ?? ""
            return [
                "      hides lengths: \(StatusText.size(flow.paddingBytes)) of padding\(dummies)"
            ]
        }
        var lines = [
            "      train out \(train.sent) packets, one each \(time(train.intervalSeconds)): carried "
                + "\(traffic(train.carried)), padding \(StatusText.size(flow.paddingBytes))"
                + told(train.leftOut, "left out"),
            "        \(train.waiting.packets) packets wait; the last waited "
                + "\(time(train.delaySeconds)), \(time(train.longestDelaySeconds)) at most"
                + told(train.refused, "found the queue full"),
        ]
        lines.append(
            "      train in  \(train.unpacked) packets, padding "
                + StatusText.size(train.receivedPaddingBytes)
                + told(train.missing, "outer ones missing")
                + told(train.incomplete, "incomplete")
        )
        return lines
    }

    private func told(_ count: UInt64, _ what: String) -> String {
        count == 0 ? "" : ", \(count) \(what)"
    }

    private func traffic(_ count: TrafficCount) -> String {
        "\(count.packets) packets, \(StatusText.size(count.bytes))"
    }

    /// `1.12 ms`.
    private func time(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "?" }
        let hundredths = Int((seconds * 100_000).rounded())
        let fraction = hundredths % 100
        return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction) ms"
    }
}
