internal import Configuration
internal import IKEProtocol
internal import IPsecPrimitives
internal import PacketProtection

// More than one pair of SAs a tunnel: what a narrowed one leaves out, and several of the same.
extension ConnectionController {
    /// How long until missing pairs of the same traffic are asked for again.
    private static let resourceInterval = Duration.seconds(30)
    /// A packet finds no SA though its tunnel is up: the peer agreed to less than the policy
    /// (RFC 7296 §2.9), or each SA is for packets like one alone. One negotiation of a flow at a time.
    func extend(
        _ path: TunnelPath,
        for packet: PacketTuple,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        guard var record = tunnels[path] else { return }
        // It has come meanwhile, or is there and waits until the peer can receive.
        if record.pairs.contains(where: { pairs[$0]?.traffic.covers(packet) == true }) { return }
        guard record.refused.allows(packet, at: now) else {
            effects.append(.packetPath(.dropHeldFlow(record.policy, packet)))
            return
        }
        guard record.underWay.begin(packet, at: now) else { return }
        tunnels[path] = record
        let wish = IKEEvent.Initiation(
            connection: path.connection,
            child: path.tunnel,
            localAddress: connections[path.connection]?.configuration.localAddress.value,
            packet: PacketSelector(packet)
        )
        absorb(engine.handle(.initiate(wish), at: now), at: now, into: &effects)
    }

    /// What was asked for beside the pairs that are there, or may come, came to nothing: nobody but the
    /// hosts that it was for waits until it is asked for again.
    func extensionFailed(
        _ path: TunnelPath,
        for selector: PacketSelector,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        guard var record = tunnels[path], let packet = record.underWay.end(selector) else { return }
        record.refused.refuse(packet, at: now)
        tunnels[path] = record
        effects.append(.packetPath(.dropHeldFlow(record.policy, packet)))
    }

    /// Notes a pair that is new and no successor.
    func noteNewPair(
        _ child: ChildSAInstallation,
        _ path: TunnelPath,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        // One that was alone has become the first of several.
        let isFirst =
            child.resource?.isFallback == true
            && child.replaces.map { pairs[$0]?.traffic.slot == nil } ?? true
        // Who made the fallback sees to the others, so that the two ends do not make them twice.
        if isFirst, child.isInitiator, !engine.isEnding(path.tunnel, of: path.connection) {
            tunnels[path]?.keepsResources = true
            timers.set(.resources(path), at: now)
        }
        // What follows one that has expired meanwhile is as new.
        guard child.replaces.map({ pairs[$0] == nil }) ?? true else { return }
        tunnels[path]?.underWay.settle(by: PairTraffic(child), isOurs: child.isInitiator)
        noteClasses(child, path, at: now)
    }

    /// Asks for the pairs of the same traffic that are missing (RFC 9611).
    func fillResources(
        _ path: TunnelPath,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        guard let record = tunnels[path], record.isUp, record.keepsResources, !isShuttingDown,
            !engine.isEnding(path.tunnel, of: path.connection)
        else { return }
        let present = Set(record.pairs.compactMap { pairs[$0]?.traffic.slot })
        let wanted = record.configuration.carriage.resources.value
        let missing = (0..<wanted).filter { !present.contains($0) }
        guard !missing.isEmpty else { return }
        timers.set(.resources(path), at: now + ConnectionController.resourceInterval)
        for slot in missing {
            let wish = IKEEvent.Initiation(
                connection: path.connection,
                child: path.tunnel,
                localAddress: connections[path.connection]?.configuration.localAddress.value,
                resource: slot
            )
            absorb(engine.handle(.initiate(wish), at: now), at: now, into: &effects)
        }
    }

    /// The peer has as many as it wants (TS_MAX_QUEUE).
    func resourcesAreExhausted(_ path: TunnelPath) {
        tunnels[path]?.keepsResources = false
        timers.cancel(.resources(path))
    }

    /// Works out by which pairs of a tunnel new packets leave: the packet path prefers, of those
    /// that carry a packet, the one that was activated last.
    func settleActivePairs(of path: TunnelPath) {
        let used = (tunnels[path]?.pairs ?? []).compactMap { pairs[$0] }
            .filter { $0.activation > 0 }
            .sorted { $0.activation > $1.activation }
        for (index, pair) in used.enumerated() {
            let isShadowed = used[..<index].contains { $0.traffic.replaces(pair.traffic) }
            pairs[pair.inboundSPI]?.isOutboundActive = !isShadowed
        }
    }
}
