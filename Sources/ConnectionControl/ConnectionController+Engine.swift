internal import Configuration
internal import IKEProtocol
internal import IPsecCrypto
internal import IPsecPrimitives
internal import PacketProtection

// What the engine wants done.
extension ConnectionController {
    /// A tunnel that was up for so long has not failed when it ends.
    private static let steadiness = Duration.seconds(60)

    func absorb(
        _ engineEffects: [IKEEffect],
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        for effect in engineEffects {
            switch effect {
            case .send(let datagram): effects.append(.send(datagram))
            case .sendKeepalive(let local, let remote):
                effects.append(.sendKeepalive(local: local, remote: remote))
            case .installChildSA(let child): install(child, at: now, into: &effects)
            case .useChildSAOutbound(let inboundSPI):
                activate(inboundSPI, into: &effects)
            case .removeChildSA(let inboundSPI, _):
                remove(inboundSPI, at: now, into: &effects)
            case .updateEndpoints(let inboundSPI, let path):
                update(inboundSPI, to: path, at: now, into: &effects)
            case .redirected(let redirection): follow(redirection, at: now, into: &effects)
            case .openStream(let attempt, let local, let remote):
                effects.append(.openStream(attempt, local: local, remote))
            case .abandonStream(let attempt): effects.append(.abandonStream(attempt))
            case .closeStream(let local, let remote):
                effects.append(.closeStream(local: local, remote: remote))
            case .findRoute(let remote): effects.append(.findRoute(remote: remote))
            case .pathMTUProbed(let probe): handle(probe, at: now, into: &effects)
            case .report(let report): handle(report, at: now, into: &effects)
            }
        }
    }

    private func update(
        _ inboundSPI: SPI,
        to path: ChildSAPath,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        guard let pair = pairs[inboundSPI] else { return }
        let outer = OuterPath(path)
        effects.append(.packetPath(.updatePath(pair.outbound, outer)))
        effects.append(.packetPath(.updatePath(pair.inbound, outer)))
        guard pair.remoteAddress != path.remote.address else { return }
        pathMTUs.remove(inboundSPI, to: pair.remoteAddress)
        pathMTUs.insert(inboundSPI, to: path.remote.address)
        pairs[inboundSPI]?.remoteAddress = path.remote.address
        let octets = linkMTU(to: path.remote.address)
        effects.append(.packetPath(.setLinkMTU(pair.outbound, octets: octets)))
        effects.append(.packetPath(.setLinkMTU(pair.inbound, octets: octets)))
        startSearch(to: path.remote.address, at: now)
    }

    func install(
        _ child: ChildSAInstallation,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        installationObserver?(child)
        let path = TunnelPath(connection: child.connection, tunnel: child.child)
        guard let record = tunnels[path] else { return }
        // Of keys that serve again after a restart, the IVs must be others then.
        let ivSeed = child.isManual ? SecretBytes(random.bytes(16)) : nil
        let mapping = SAMapping(
            linkMTU: linkMTU(to: child.path.remote.address),
            tunnel: record.configuration,
            policy: record.policy,
            backEnd: packetCipherBackEnd,
            cipherThreads: cipherThreads,
            softMargin: UInt64(random.next32() % 10),
            ivSeed: ivSeed
        )
        var pair = ChildSAPair(
            tunnel: path,
            inboundSPI: child.inboundSPI,
            outboundSPI: child.outboundSPI,
            inbound: newIdentifier(),
            outbound: newIdentifier(),
            traffic: PairTraffic(child),
            installedAt: now,
            remoteAddress: child.path.remote.address,
            isOutboundActive: child.isUsedOutboundAtOnce
        )
        pair.isManual = child.isManual
        pair.reclassified = reclassified(by: pair.traffic, child.replaces)
        do throws(CryptoError) {
            if child.isCarried {
                let inbound = try mapping.inbound(child, identifier: pair.inbound)
                let outbound = try mapping.outbound(child, identifier: pair.outbound)
                // Inbound first: the peer may send as soon as it has our answer.
                effects.append(.packetPath(.installInbound(inbound)))
                effects.append(.packetPath(.installOutbound(outbound)))
            }
        } catch {
            let failure = NegotiationFailure(
                subject: .resources,
                explanation: "the packet cipher of \(path) cannot be set up: \(error)",
                remedy: "choose gateway: packet-cipher: openssl, or other ESP proposals"
            )
            if child.isManual {
                return manualPairFailed(path, failure, at: now, into: &effects)
            }
            failed(path, failure, at: now, into: &effects)
            absorb(
                engine.handle(
                    .terminate(connection: path.connection, child: path.tunnel),
                    at: now
                ),
                at: now,
                into: &effects
            )
            return
        }
        insert(pair)
        if !child.isManual { startSearch(to: pair.remoteAddress, at: now) }
        tunnels[path]?.pairs.append(pair.inboundSPI)
        if child.isUsedOutboundAtOnce { use(pair, into: &effects) }
        counters.schedule(from: now, every: readingInterval)
        cameUp(path, at: now, into: &effects)
        noteNewPair(child, path, at: now, into: &effects)
    }

    private func insert(_ pair: ChildSAPair) {
        pairs[pair.inboundSPI] = pair
        pairOfAssociation[pair.inbound] = pair.inboundSPI
        pairOfAssociation[pair.outbound] = pair.inboundSPI
        pathMTUs.insert(pair.inboundSPI, to: pair.remoteAddress)
    }

    private func cameUp(
        _ path: TunnelPath,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        guard var record = tunnels[path] else { return }
        record.isInitiating = false
        record.quietUntil = .origin
        if record.pairs.count == 1 { record.upSince = now }
        tunnels[path] = record
        timers.cancel(.retry(path))
        // One that ends as soon as it is made is not what was asked for.
        if !record.isAskedForAgain || !engine.isEnding(path.tunnel, of: path.connection) {
            for (token, outcome) in requests.established(path) {
                effects.append(.requestEnded(token, outcome))
            }
        }
        settleOutlived(path, at: now, into: &effects)
    }

    /// What this end closes may come to nothing without a word, as an exchange does that makes no child.
    func watchEnd(of path: TunnelPath) {
        if !watchedEnds.contains(path) { watchedEnds.append(path) }
    }

    func settleWatchedEnds(at now: Instant, into effects: inout [ControlEffect]) {
        let watched = watchedEnds
        watchedEnds = []
        for path in watched { settleOutlived(path, at: now, into: &effects) }
    }

    /// A tunnel whose end was asked for is there all the same: the peer has made it anew, and what
    /// this end closed is gone.
    private func settleOutlived(
        _ path: TunnelPath,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        guard let record = tunnels[path], record.isUp,
            record.isHeldDown || record.isAskedForAgain
        else { return }
        if engine.isEnding(path.tunnel, of: path.connection) { return watchEnd(of: path) }
        guard engine.isKeeping(path.tunnel, of: path.connection) else { return }
        if record.isAskedForAgain {
            tunnels[path]?.isAskedForAgain = false
            tunnels[path]?.isHeldDown = false
            for (token, outcome) in requests.established(path) {
                effects.append(.requestEnded(token, outcome))
            }
        }
        for (token, outcome) in requests.outlived(path, .outlived(path)) {
            effects.append(.requestEnded(token, outcome))
        }
        guard record.classes.isEnding else { return }
        tunnels[path]?.classes = ClassPairs()
        expectClasses(path, within: .zero, at: now)
    }

    private func activate(_ inboundSPI: SPI, into effects: inout [ControlEffect]) {
        guard let pair = pairs[inboundSPI] else { return }
        effects.append(.packetPath(.activateOutbound(pair.outbound)))
        use(pair, into: &effects)
    }

    /// The outbound SA of a pair that is replaced by one for other DSCPs.
    private func reclassified(by traffic: PairTraffic, _ replaced: SPI?) -> SAIdentifier? {
        guard let old = replaced.flatMap({ pairs[$0] }),
            old.traffic.codePoints != traffic.codePoints
        else { return nil }
        return old.outbound
    }

    /// New packets leave by a pair. Those of the DSCPs of the one before would go on by that one as
    /// long as it is there, and the peer forgets it at a time of its own; where both are for the same,
    /// they prefer the one used last.
    private func use(_ pair: ChildSAPair, into effects: inout [ControlEffect]) {
        markActive(pair.inboundSPI)
        guard let old = pair.reclassified else { return }
        pairs[pair.inboundSPI]?.reclassified = nil
        effects.append(.packetPath(.removeSA(old)))
    }

    private func markActive(_ inboundSPI: SPI) {
        guard let path = pairs[inboundSPI]?.tunnel else { return }
        lastActivation += 1
        pairs[inboundSPI]?.activation = lastActivation
        settleActivePairs(of: path)
    }

    private func remove(
        _ inboundSPI: SPI,
        at now: Instant,
        into effects: inout [ControlEffect]
    ) {
        guard let pair = removePair(inboundSPI, into: &effects) else { return }
        tunnels[pair.tunnel]?.pairs.removeAll { $0 == inboundSPI }
        settleRekeys(ofRemoved: pair, into: &effects)
        guard tunnels[pair.tunnel]?.isUp == false else {
            settleActivePairs(of: pair.tunnel)
            refill(after: pair, at: now)
            settleOutlived(pair.tunnel, at: now, into: &effects)
            return
        }
        wentDown(pair.tunnel, at: now)
        settleDown(pair.tunnel, into: &effects)
        lost(pair.tunnel, at: now)
        if tunnels[pair.tunnel]?.isAskedForAgain == true {
            tunnels[pair.tunnel]?.isAskedForAgain = false
            timers.set(.retry(pair.tunnel), at: now)
        }
    }

    /// Sees to what is missing without a pair. Those that end as soon as they are made wait longer each
    /// time, as tunnels do.
    private func refill(after pair: ChildSAPair, at now: Instant) {
        guard var record = tunnels[pair.tunnel] else { return }
        let isMissing = !record.pairs.contains {
            pairs[$0]?.traffic.hasPlace(of: pair.traffic) == true
        }
        if now - pair.installedAt >= ConnectionController.steadiness {
            record.lostFurtherPairs = 0
        } else if isMissing {
            record.lostFurtherPairs += 1
        }
        tunnels[pair.tunnel] = record
        let wait = BackOff.wait(after: record.lostFurtherPairs)
        if record.keepsResources { timers.set(.resources(pair.tunnel), at: now + wait) }
        expectClasses(pair.tunnel, within: wait, at: now)
    }

    /// Tunnels that end as soon as they are up, because the peer deletes what it accepts or the
    /// packet path cannot take it, wait as those do that never come up.
    private func wentDown(_ path: TunnelPath, at now: Instant) {
        guard var record = tunnels[path] else { return }
        record.underWay = PairsUnderWay()
        record.keepsResources = false
        record.lostFurtherPairs = 0
        timers.cancel(.resources(path))
        record.classes = ClassPairs()
        timers.cancel(.classes(path))
        if now - record.upSince >= ConnectionController.steadiness {
            record.failures = 0
        } else if !record.isHeldDown {
            record.failures += 1
            // Once may be a coincidence, such as a peer that starts anew.
            if record.failures > 1 { record.quietUntil = now + record.backOff }
        }
        tunnels[path] = record
    }

    /// Takes a pair out of the packet path; its tunnel's record is the caller's.
    @discardableResult
    func removePair(_ inboundSPI: SPI, into effects: inout [ControlEffect]) -> ChildSAPair? {
        guard let pair = pairs.removeValue(forKey: inboundSPI) else { return nil }
        removalObserver?(inboundSPI)
        manualAssociations[inboundSPI] = nil
        pairOfAssociation[pair.inbound] = nil
        pairOfAssociation[pair.outbound] = nil
        pathMTUs.remove(inboundSPI, to: pair.remoteAddress)
        effects.append(.packetPath(.removeSA(pair.outbound)))
        effects.append(.packetPath(.removeSA(pair.inbound)))
        return pair
    }

    /// Passes a report on, to the log and to those who wait for news.
    func tell(_ report: IKEReport, into effects: inout [ControlEffect]) {
        for token in requests.waiting(for: report.connection, report.child)
            + rekeys.waiting(for: report.connection, report.child)
        {
            effects.append(.requestProgress(token, report.summary))
        }
        effects.append(.report(report))
    }

    /// Reports a failure of a tunnel that the engine knows nothing of.
    func tell(
        _ failure: NegotiationFailure,
        of path: TunnelPath,
        into effects: inout [ControlEffect]
    ) {
        tell(
            IKEReport(
                connection: path.connection,
                child: path.tunnel,
                event: .initiationFailed(failure)
            ),
            into: &effects
        )
    }

    /// Keeps what a report says about tunnels, and passes it on.
    func handle(_ report: IKEReport, at now: Instant, into effects: inout [ControlEffect]) {
        tell(report, into: &effects)
        settleRekeys(report, into: &effects)
        guard let connection = report.connection else { return }
        switch report.event {
        case .initiationFailed(let failure):
            connections[connection]?.failure = RecordedFailure(failure: failure, at: now)
            if callFailed(report, failure, at: now, into: &effects) { return }
            // Of an IKE SA that could not be replaced: what is being made in it goes on.
            if report.child == nil, engine.isReaching(connection) { return }
            for path in paths(connection, report.child) {
                // One that is up may have wanted a further pair; the others have failed before.
                guard let record = tunnels[path],
                    record.isInitiating || (record.isUp && report.child != nil)
                else { continue }
                failed(path, failure, packet: report.packet, at: now, into: &effects)
            }
        case .ikeSAEstablished:
            // Begun by the peer, it may be there before an address was found to begin from.
            overtaken += connections[connection]?.search.waiting ?? []
            connections[connection]?.search.waiting = []
            connections[connection]?.search.reset()
            connections[connection]?.transport.answered()
        case .resourcesExhausted:
            if let child = report.child {
                let path = TunnelPath(connection: connection, tunnel: child)
                resourcesAreExhausted(path)
                classesAreRefused(path)
                // What the peer counts is not there at this end, or not yet again.
                guard let record = tunnels[path], record.isInitiating, !record.isUp else { return }
                failed(path, .enough(path), at: now, into: &effects)
            }
        case .refused(let failure):
            connections[connection]?.failure = RecordedFailure(failure: failure, at: now)
        case .ikeSAClosed(let reason):
            if reason == .peerUnresponsive {
                connections[connection]?.failure = RecordedFailure(
                    failure: .unresponsive,
                    at: now
                )
            }
            if case .calling? = connections[connection]?.search.stage,
                !engine.isReaching(connection)
            {
                connections[connection]?.search.reset()
            }
            for path in paths(connection, nil) where tunnels[path]?.isUp == false {
                settleDown(path, into: &effects)
                // What was still being negotiated goes with it, if no other IKE SA is on its way.
                guard tunnels[path]?.isInitiating == true, !isShuttingDown,
                    !engine.isReaching(connection), !isRedirected(connection)
                else { continue }
                failed(path, .closed(path, reason), at: now, into: &effects)
            }
        default: break
        }
    }
}

extension NegotiationFailure {
    fileprivate static func outlived(_ path: TunnelPath) -> NegotiationFailure {
        NegotiationFailure(
            subject: .connection,
            explanation: "the peer brought \(path) up again while it was being ended",
            remedy: "end it at the peer first, or take it out of the configuration"
        )
    }

    /// An established peer that fell silent (RFC 7296 §2.4).
    fileprivate static var unresponsive: NegotiationFailure {
        NegotiationFailure(
            subject: .connection,
            explanation: "the peer no longer answered, and its IKE SA was closed",
            remedy: "see whether the peer runs and whether UDP reaches it"
        )
    }

    /// TS_MAX_QUEUE (RFC 9611) for the first pair.
    fileprivate static func enough(_ path: TunnelPath) -> NegotiationFailure {
        NegotiationFailure(
            subject: .resources,
            explanation: "the peer has as many Child SAs of \(path) as it wants "
                + "(TS_MAX_QUEUE), though this end has none",
            remedy: "raise resources at the peer, or see that it ends those that are left over"
        )
    }

    fileprivate static func closed(
        _ path: TunnelPath,
        _ reason: IKEReport.ClosureReason
    ) -> NegotiationFailure {
        NegotiationFailure(
            subject: .connection,
            explanation: "the IKE SA ended before \(path) was up: \(reason.text)",
            remedy: "ask again, or look in the log for what went before"
        )
    }
}
