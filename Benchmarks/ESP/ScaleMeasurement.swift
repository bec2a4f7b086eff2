/// One line of what many SAs and policies cost.
struct ScaleMeasurement {
    var benchmark: String
    var pairs: Int
    var policies: Int
    var value: Double
    /// The same with one of each, where there is such a thing.
    var reference: Double?
    var unit: String

    private func rounded(_ number: Double) -> Double { (number * 100).rounded() / 100 }

    var json: String {
        let compared =
            reference.map {
                ", \"reference\": \(rounded($0)), \"ratio\": \(rounded(value / $0))"
            } ?? ""
        return """
            {"benchmark": "\(benchmark)", "parameters": {"pairs": \(pairs), \
            "policies": \(policies)}, "value": \(rounded(value)), "unit": "\(unit)"\(compared)}
            """
    }

    var text: String {
        let compared =
            reference.map { ", with one of each \(rounded($0)): \(rounded(value / $0)) times" }
            ?? ""
        return "\(benchmark): \(rounded(value)) \(unit)\(compared)"
    }
}
