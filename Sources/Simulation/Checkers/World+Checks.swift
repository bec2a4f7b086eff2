internal import Configuration
internal import ConnectionControl
internal import IKEProtocol
internal import IPsecPrimitives
internal import PacketProtection

// Checks that look at the whole world.
extension World {
    /// Once a virtual second.
    func lookAround() {
        checkProbes()
        checkCrossings()
        // One in so many at a time: these look at everything that a gateway has.
        let second = Int((now - VirtualTime.start) / .seconds(1))
        let share = scenario.isCrowd ? 60 : 10
        for gateway in gateways where gateway.index % share == second % share {
            fail(checkBypass(of: gateway))
            checkBounds(of: gateway)
        }
        if phase == .settled, !scenario.isCrowd { checkRest() }
        if phase == .settled, checks.paths.isActive { checkPaths() }
    }

    func isWanted(_ peering: PeeringPlan) -> Bool { peering.mismatch == .none }

    /// Why packets of a tunnel cannot pass from a gateway to another; nil when they can.
    private func obstacle(_ path: TunnelPath, from: Int, to: Int) -> String? {
        guard let spi = checks.associations.outboundSPI(from, path) else {
            return "g\(from) has no SA to g\(to)"
        }
        guard checks.associations.accepts(spi, at: to) else {
            return "g\(from) sends to g\(to) by SPI \(spi), which that has not"
        }
        return nil
    }

    func checkConvergence() {
        for peering in scenario.peerings {
            for tunnel in peering.tunnels {
                let path = TunnelPath(connection: peering.name, tunnel: tunnel.name)
                if tunnel.carriage != nil {
                    checkAgreement(path, peering)
                } else if isWanted(peering) {
                    checkIsUp(path, peering.gateways)
                } else {
                    checkIsDown(path, peering)
                }
            }
            if !isWanted(peering), checks.diagnoses.isRefused[peering.number],
                !checks.diagnoses.isNamed[peering.number]
            {
                fail(.diagnosis, "\(peering.name): nobody named \(peering.mismatch.rawValue)")
            }
        }
    }

    private func checkIsUp(_ path: TunnelPath, _ ends: [Int]) {
        for (from, to) in [(ends[0], ends[1]), (ends[1], ends[0])] {
            if let why = obstacle(path, from: from, to: to) {
                fail(.convergence, "\(path) is not up: \(why)")
            }
        }
    }

    private func checkIsDown(_ path: TunnelPath, _ peering: PeeringPlan) {
        for gateway in peering.gateways
        where checks.associations.outboundSPI(gateway, path) != nil {
            fail(
                .agreement,
                "\(path) is up at g\(gateway) in spite of mismatch \(peering.mismatch.rawValue)"
            )
        }
    }

    /// Of what is agreed on and not carried: whether both ends have it.
    private func checkAgreement(_ path: TunnelPath, _ peering: PeeringPlan) {
        let pairs = peering.gateways.map { gateways[$0].controller?.pairs(of: path) ?? [] }
        let isAgreed = pairs[0].contains { here in
            pairs[1].contains { there in
                here.inboundSPI == there.outboundSPI && here.outboundSPI == there.inboundSPI
            }
        }
        if !isAgreed {
            if isWanted(peering) { fail(.convergence, "\(path) is not agreed on") }
        } else if !isWanted(peering) {
            fail(.agreement, "\(path) is up in spite of mismatch \(peering.mismatch.rawValue)")
        } else if peering.gateways.contains(where: { scenario.gateways[$0].nat != nil }) {
            coverage.count("carriage", "agreed across a NAT")
        }
    }

    /// RFC 7296 §2.8.1: of two SAs in the place of one, the right one has gone.
    private func checkCrossings() {
        for crossing in checks.crossings.takeSettled(at: now) {
            let (loser, winner) = (crossing.loser, crossing.winner)
            guard checks.associations.accepts(loser.spi, at: loser.gateway) else { continue }
            if !checks.associations.accepts(winner.spi, at: winner.gateway) {
                fail(
                    .crossings,
                    "g\(loser.gateway) keeps \(loser.spi), which has the lowest nonce, and "
                        + "g\(winner.gateway) has closed \(winner.spi)"
                )
            }
        }
    }

    /// Why two ends have not one pair of a tunnel each, the other's halves; nil when they have.
    private func disagreement(_ path: TunnelPath, _ gateway: Int, _ peer: Int) -> String? {
        let pairs = [gateway, peer].map { gateways[$0].controller?.pairs(of: path) ?? [] }
        guard pairs[0].count == 1, pairs[1].count == 1 else {
            return "g\(gateway) has \(pairs[0].count) pairs of SAs, g\(peer) \(pairs[1].count)"
        }
        let fits =
            pairs[0][0].inboundSPI == pairs[1][0].outboundSPI
            && pairs[0][0].outboundSPI == pairs[1][0].inboundSPI
        return fits ? nil : "the peer has not the other half of \(pairs[0][0].inboundSPI)"
    }

    /// At rest each tunnel has one SA a direction, and the other end has its other half; a rekey
    /// disturbs that for a while only.
    private func checkRest() {
        let changed = checks.associations.takeChanged()
        for place in wantedEnds.indices {
            let end = wantedEnds[place]
            // Where no SA has come or gone, what was at rest still is.
            guard
                end.unrest.isThere || !end.isKnown || !end.isCarried
                    || changed.contains(end.path)
            else {
                continue
            }
            wantedEnds[place].isKnown = true
            let unrest =
                end.isCarried
                ? unrest(end)
                : disagreement(end.path, end.gateway, end.peer)
            note(unrest, \.unrest, ofEnd: place, .rest)
        }
    }

    /// What a look at an end has found amiss, or not.
    private func note(
        _ trouble: String?,
        _ kind: WritableKeyPath<WantedEnd, PassingTrouble>,
        ofEnd place: Int,
        _ checker: Checker
    ) {
        wantedEnds[place][keyPath: kind].note(isThere: trouble != nil, at: now)
        let end = wantedEnds[place]
        guard let trouble, end[keyPath: kind].isTooLong(at: now) else { return }
        fail(checker, "\(end.path) at g\(end.gateway): \(trouble) for too long")
    }

    private func unrest(_ end: WantedEnd) -> String? {
        let (path, gateway, peer) = (end.path, end.gateway, end.peer)
        for isOutbound in [true, false] {
            let spis = checks.associations.spis(gateway, path, isOutbound: isOutbound)
            if spis.isEmpty { return "no \(isOutbound ? "outbound" : "inbound") SA" }
            if spis.count > end.pairCount {
                let names = spis.map { "\($0)" }.sorted().joined(separator: ", ")
                return "\(spis.count) \(isOutbound ? "outbound" : "inbound") SAs (\(names))"
            }
            let others = checks.associations.spis(peer, path, isOutbound: !isOutbound)
            if let orphan = spis.first(where: { !others.contains($0) }) {
                return "the peer has not the other half of \(orphan)"
            }
        }
        return checks.associations.outboundSPI(gateway, path) == nil
            ? "its outbound SA is not used" : classUnrest(end)
    }

    /// Why not each class of an end, and the rest, has one outbound SA; nil when each has.
    private func classUnrest(_ end: WantedEnd) -> String? {
        guard end.pairCount > 1 else { return nil }
        let outbound = checks.associations.outbound(of: end.path, at: end.gateway)
        guard outbound.count == end.pairCount else {
            return "\(outbound.count) outbound SAs for \(end.pairCount) classes"
        }
        guard outbound.allSatisfy({ $0.activation > 0 }) else {
            return "an outbound SA is not used"
        }
        let missing = end.classes.first { set in
            !outbound.contains { $0.codePoints == CodePointSet(set) }
        }
        if let missing { return "no outbound SA for DSCP \(missing)" }
        return outbound.contains { $0.codePoints.isEmpty } ? nil : "no outbound SA for the rest"
    }

    /// Once a move is over, each end sends to where the other sends from.
    private func checkPaths() {
        for place in wantedEnds.indices {
            let end = wantedEnds[place]
            note(detour(end.path, end.gateway, end.peer), \.straying, ofEnd: place, .paths)
        }
    }

    private func detour(_ tunnel: TunnelPath, _ gateway: Int, _ peer: Int) -> String? {
        guard let here = checks.associations.outbound(gateway, tunnel)?.path,
            let there = checks.associations.outbound(peer, tunnel)?.path,
            here.encapsulation != .tcp, there.encapsulation != .tcp
        else { return nil }
        guard let seen = internet.outside(of: there.local.address, at: peer) else {
            return "the peer sends from \(there.local.address), which it has not"
        }
        guard here.remote.address == seen else {
            return "it sends to \(here.remote.address), and the peer from \(seen)"
        }
        let beginsAlone = scenario.gateways[gateway].roamsAlone
        guard beginsAlone, here.local.address != internet.preferredAddress(of: gateway) else {
            return nil
        }
        return "it sends from \(here.local.address), and has a better way"
    }

    private func checkBounds(of gateway: SimulatedGateway) {
        guard let controller = gateway.controller else { return }
        let counts = controller.saCounts
        if counts.halfOpen > 1024 {
            fail(.bounds, "g\(gateway.index) has \(counts.halfOpen) half-open SAs")
        }
        let peerings = scenario.peerings.count { $0.gateways.contains(gateway.index) }
        // Those of floods, and of peers that went away, are long over; a few may just be coming up.
        if phase == .settled, counts.halfOpen > 4 * peerings {
            fail(.bounds, "g\(gateway.index) still has \(counts.halfOpen) half-open SAs")
        }
        if counts.shown > 16 * peerings + counts.halfOpen + 16 {
            fail(.bounds, "g\(gateway.index) has \(counts.shown) IKE SAs")
        }
        let tunnels = peerings * 3
        if checks.associations.associations[gateway.index].count > 32 * tunnels {
            fail(.bounds, "g\(gateway.index) has more than \(32 * tunnels) SAs")
        }
    }

    /// After everybody was told to stop, nothing may be left.
    func checkTheEnd() {
        for gateway in gateways where gateway.isRunning {
            if !gateway.hasClosed {
                return fail(.leftovers, "\(gateway.plan.name) has not come to an end")
            }
            let status = gateway.controller?.engineStatus(at: instant)
            if let left = status?.ikeSAs.first {
                return fail(
                    .leftovers,
                    "\(gateway.plan.name) keeps an IKE SA of \(left.connection), \(left.stage)"
                )
            }
            if let count = status?.halfOpenSAs, count > 0 {
                return fail(.leftovers, "\(gateway.plan.name) keeps \(count) half-open IKE SAs")
            }
            if let left = checks.associations.associations[gateway.index].keys.min(by: {
                $0.rawValue < $1.rawValue
            }) {
                return fail(.leftovers, "\(gateway.plan.name) keeps \(left)")
            }
            if let next = gateway.controller?.nextTimeout {
                return fail(
                    .leftovers,
                    "\(gateway.plan.name) waits for \(VirtualTime.text(next.nanoseconds))"
                )
            }
        }
        if let left = checks.secrets.survivor { fail(.secrets, "a key is left: \(left)") }
    }
}

/// What may be amiss on a calm network for a while, and no longer.
struct PassingTrouble {
    /// How long a rekey and what follows from it may take: the exchange, with a retry or two where both
    /// ends began, and the seconds in which a replaced SA lingers.
    private static let limit: UInt64 = .seconds(25)

    /// Virtual nanoseconds.
    private var since: UInt64?

    var isThere: Bool { since != nil }

    mutating func note(isThere: Bool, at now: UInt64) { since = isThere ? since ?? now : nil }

    func isTooLong(at now: UInt64) -> Bool {
        since.map { now - $0 > PassingTrouble.limit } ?? false
    }
}

/// One end of a tunnel that is to be up.
struct WantedEnd {
    let path: TunnelPath
    let gateway: Int
    let peer: Int
    let isCarried: Bool
    /// Of its own packets.
    let classes: [[UInt8]]
    let pairCount: Int
    /// Whether it has been looked at.
    var isKnown = false
    /// It has other SAs than it should.
    var unrest = PassingTrouble()
    /// It sends elsewhere than it should.
    var straying = PassingTrouble()

    static func all(of scenario: Scenario) -> [WantedEnd] {
        scenario.peerings.filter { $0.mismatch == .none }.flatMap { peering in
            peering.tunnels.flatMap { tunnel in
                peering.gateways.map { gateway in
                    WantedEnd(
                        path: TunnelPath(connection: peering.name, tunnel: tunnel.name),
                        gateway: gateway,
                        peer: peering.other(than: gateway),
                        isCarried: tunnel.carriage == nil,
                        classes: tunnel.ends[peering.place(of: gateway)].classes,
                        pairCount: tunnel.pairCount
                    )
                }
            }
        }
    }
}
