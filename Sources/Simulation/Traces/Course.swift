/// What happens in a run, step by step: the same for other keys, as nothing of what is in the datagrams
/// is in it but what stands in clear in the header of an IKE message.
struct Course: Sendable {
    struct Step: Equatable, Sendable {
        let time: UInt64
        let gateway: Int?
        let what: String
        /// Of what is sent.
        let octets: Int

        var text: String {
            (gateway.map { "g\($0): " } ?? "") + what + (octets > 0 ? ", \(octets) octets" : "")
        }
    }

    private(set) var steps: [Step] = []

    mutating func add(_ step: Step) { steps.append(step) }

    /// Where two runs part, each with what it does there; nil for two that are the same. A run that
    /// has come to its end does nothing.
    func parting(from other: Course) -> (place: Int, own: Step?, others: Step?)? {
        let shorter = min(steps.count, other.steps.count)
        let place = (0..<shorter).first { steps[$0] != other.steps[$0] } ?? shorter
        let pair = [self, other].map { place < $0.steps.count ? $0.steps[place] : nil }
        guard pair[0] != nil || pair[1] != nil else { return nil }
        return (place, pair[0], pair[1])
    }
}
