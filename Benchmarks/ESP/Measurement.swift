/// One line of the result: what the packet path takes, beside the cipher alone in the same rounds.
struct Measurement {
    var benchmark: String
    var suite: String
    var payloadOctets: Int
    var packetsPerBatch: Int
    /// Both in nanoseconds a packet.
    var value: Double
    var reference: Double

    private func rounded(_ number: Double) -> Double { (number * 100).rounded() / 100 }

    var json: String {
        """
        {"benchmark": "\(benchmark)", "parameters": {"suite": "\(suite)", \
        "payloadBytes": \(payloadOctets), "packetsPerBatch": \(packetsPerBatch)}, \
        "value": \(rounded(value)), "unit": "ns/packet", "reference": \(rounded(reference)), \
        "ratio": \(rounded(value / reference))}
        """
    }

    static let heading = row("benchmark", "bytes", "path, ns", "cipher, ns", "ratio")

    var text: String {
        Measurement.row(
            benchmark,
            "\(payloadOctets)",
            "\(rounded(value))",
            "\(rounded(reference))",
            "\(rounded(value / reference))"
        )
    }

    private static func row(_ columns: String...) -> String {
        let widths = [48, 8, 10, 12, 8]
        return zip(columns, widths).map { column, width in
            column + String(repeating: " ", count: max(width - column.count, 1))
        }.joined()
    }
}

/// Times of alternating rounds.
struct Rounds {
    private var path: [Double] = []
    private var bare: [Double] = []

    /// Nanoseconds a packet of one round each.
    mutating func add(path first: Double, bare second: Double) {
        path.append(first)
        bare.append(second)
    }

    private static func median(_ values: [Double]) -> Double {
        values.sorted()[values.count / 2]
    }

    var medians: (path: Double, bare: Double) { (Rounds.median(path), Rounds.median(bare)) }
}
