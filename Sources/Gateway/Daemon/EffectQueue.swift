/// Carries effects out one after the other, in the order in which they were decided.
///
/// Doing one may lead to an event whose effects are to be done too, such as the answer to a
/// question: those wait until everything that was decided before is done. Belongs to one thread.
final class EffectQueue<Effect> {
    private var waiting: [Effect] = []
    private var isRunning = false

    /// Takes effects in. Returns when nothing waits any more, or at once when called by `perform`.
    func run(_ effects: [Effect], perform: (Effect) -> Void) {
        waiting += effects
        guard !isRunning else { return }
        isRunning = true
        var index = 0
        while index < waiting.count {
            perform(waiting[index])
            index += 1
        }
        waiting.removeAll(keepingCapacity: waiting.capacity <= 4096)
        isRunning = false
    }
}
