internal import ConnectionControl
internal import IPsecPrimitives

// What the DNS says of the gateways.
extension World {
    /// A name that nobody has, or no answer, leads to nothing; an old answer may be given while
    /// things go wrong, so early that it is out of date before they have to go right.
    func answerLookup(_ index: Int, _ life: Int, _ name: String) {
        guard gateways[index].life == life else { return }
        let mood = nameDice.below(100)
        let lifetime = Duration.seconds(nameDice.within(5...60))
        var addresses: [IPAddress] = []
        let sought = scenario.gateways.first { name == "\($0.name).example.net" }
        if let sought, phase > .turmoil || mood >= 15 {
            let isOld = mood < 40 && now + .seconds(120) < scenario.timeline.calm
            addresses = [isOld ? sought.publicAddress : internet.publicAddress(of: sought.index)]
        }
        let present = sought.map { internet.publicAddress(of: $0.index) }
        let isTrue = addresses.first == present
        let answer = isTrue ? "tells an address" : "tells an old address"
        let what = addresses.isEmpty ? "has no answer" : answer
        coverage.count("dns", what)
        trace.note(at: now) { "the DNS \(what) to g\(index): \(addresses)" }
        control(.resolved(name: name, addresses: addresses, lifetime: lifetime), at: index)
    }
}
