internal import Configuration
internal import IKEProtocol
internal import IPsecPrimitives
internal import PacketProtection

/// What control knows of the pairs of a tunnel that are for some DSCPs alone.
struct ClassPairs {
    /// The first wait of those that have come to nothing, and the longest.
    private static let waits = (first: Duration.seconds(30), longest: Duration.seconds(3600))

    /// This end made the pair for the rest, and so makes the others.
    var isMaker = false
    /// The peer has said that it wants no more.
    var areRefused = false
    /// The tunnel is being ended by hand.
    var isEnding = false
    /// Until what is missing is asked for again.
    private(set) var wait = waits.first

    mutating func takeWait() -> Duration {
        defer { wait = min(wait * 2, ClassPairs.waits.longest) }
        return wait
    }

    /// Nothing is missing, or other pairs are wanted.
    mutating func reset() {
        wait = ClassPairs.waits.first
        areRefused = false
    }
}

// Pairs of SAs of the same traffic for packets of different DSCPs (RFC 4301 §4.1).
extension ConnectionController {
    /// How long the end that did not make the first pair waits for the other to make the rest.
    private static let classPatience = Duration.seconds(5)

    /// A pair that is new and no successor.
    func noteClasses(_ child: ChildSAInstallation, _ path: TunnelPath, at now: Instant) {
        guard let record = tunnels[path],
            !record.configuration.carriage.codePointSets.value.isEmpty,
            // Made in spite of its end: it goes, and nothing is to come beside it.
            !engine.isEnding(path.tunnel, of: path.connection)
        else { return }
        guard child.codePoints.isEmpty else {
            // That for the rest may have gone while this one was being agreed on.
            let hasRest = record.pairs.contains { pairs[$0]?.traffic.codePoints.isEmpty == true }
            if hasRest { return }
            tunnels[path]?.classes.isMaker = child.isInitiator
            return expectClasses(path, within: .seconds(1), at: now)
        }
        tunnels[path]?.classes = ClassPairs(isMaker: child.isInitiator)
        expectClasses(path, within: .zero, at: now)
    }

    /// Looks in a while whether a pair is missing, unless that is to be done sooner.
    func expectClasses(_ path: TunnelPath, within delay: Duration, at now: Instant) {
        guard let record = tunnels[path], record.isUp,
            !record.configuration.carriage.codePointSets.value.isEmpty
        else { return timers.cancel(.classes(path)) }
        let patience = record.classes.isMaker ? .zero : ConnectionController.classPatience
        timers.set(.classes(path), at: now + delay + patience)
    }

    /// Asks for the pairs that are missing, that for the rest included.
    func fillClasses(_ path: TunnelPath, at now: Instant, into effects: inout [ControlEffect]) {
        guard let record = tunnels[path], record.isUp, !isShuttingDown,
            !record.classes.isEnding, !record.classes.areRefused
        else { return }
        let sets = record.configuration.carriage.codePointSets.value
        let present = Set(record.pairs.compactMap { pairs[$0]?.traffic.codePoints })
        let missing = ([CodePointSet()] + sets).filter { !present.contains($0) }
        guard !sets.isEmpty, !missing.isEmpty else { return tunnels[path]?.classes.reset() ?? () }
        let wait = tunnels[path]?.classes.takeWait() ?? .zero
        timers.set(.classes(path), at: now + wait)
        for codePoints in missing {
            var wish = IKEEvent.Initiation(
                connection: path.connection,
                child: path.tunnel,
                localAddress: connections[path.connection]?.configuration.localAddress.value
            )
            wish.codePoints = codePoints
            absorb(engine.handle(.initiate(wish), at: now), at: now, into: &effects)
        }
    }

    /// The peer has as many as it wants: what has no pair of its own goes with the rest.
    func classesAreRefused(_ path: TunnelPath) {
        tunnels[path]?.classes.areRefused = true
        timers.cancel(.classes(path))
    }
}
