/// What comparing traffic selectors may still cost, counted in comparisons of two of them.
///
/// A peer may send 255 selectors a side (RFC 7296 §3.13) and choose how they overlap with ours and
/// with each other, so that the exact result of a negotiation could take the product of all of them
/// with itself. Whatever is compared is counted here, and what is left when nothing may be spent any
/// more is taken for "no": a smaller part is agreed on, as RFC 7296 §2.9 always allows a responder
/// to, or an answer is refused. Two full payloads that meet as those of two honest ends do need a
/// fifth of it.
struct SelectorWork {
    /// For one negotiation: some ten milliseconds.
    static let limit = 1 << 21

    private(set) var spent = 0
    private let limit: Int

    init(limit: Int = SelectorWork.limit) { self.limit = limit }

    var isExhausted: Bool { spent >= limit }

    /// False, and nothing spent, when that many more are too many; then it is exhausted.
    mutating func spend(_ comparisons: Int) -> Bool {
        guard comparisons <= limit - spent else {
            spent = limit
            return false
        }
        spent += comparisons
        return true
    }
}
