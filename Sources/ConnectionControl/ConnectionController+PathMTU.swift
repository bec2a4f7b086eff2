internal import Configuration
internal import IKEProtocol
internal import IPsecPrimitives
internal import PacketProtection

// The search for what paths carry (RFC 8899), where the configuration wants it.
extension ConnectionController {
    /// Behind the first SA to a peer, so that what comes with it is over.
    private static let quiet = Duration.seconds(2)
    /// A probe that brings no result, because its IKE SA has gone, is tried again.
    private static let patience = Duration.seconds(60)

    /// A pair to a peer was installed.
    func startSearch(to remote: IPAddress, at now: Instant) {
        guard configuration.settings.pathMTUProbe != nil, searches[remote] == nil,
            !timers[isSet: .probePath(remote)]
        else { return }
        timers.set(.probePath(remote), at: now + ConnectionController.quiet)
    }

    /// A router said that the path carries less: anyone may have said so, and the peer knows. One
    /// search at a time, so that words without end cause no probes without end.
    func doubtInSearch(_ remote: IPAddress, at now: Instant) {
        guard let search = searches[remote], search.next == nil else { return }
        searches[remote] = nil
        timers.set(.probePath(remote), at: now + ConnectionController.quiet)
    }

    /// Begins a search or goes on with it.
    func searchPath(to remote: IPAddress, at now: Instant, into effects: inout [ControlEffect]) {
        guard configuration.settings.pathMTUProbe != nil, let spi = probed(at: remote)
        else {
            if searches.removeValue(forKey: remote) != nil {
                doubtPathMTU(to: remote, into: &effects)
            }
            return
        }
        let link = configuration.settings.linkMTU
        let search =
            searches[remote]
            ?? PathMTUSearch(link: link, version: remote.version, estimate: linkMTU(to: remote))
        guard let octets = search.next else {
            searches[remote] = nil
            return searchPath(to: remote, at: now, into: &effects)
        }
        searches[remote] = search
        timers.set(.probePath(remote), at: now + ConnectionController.patience)
        absorb(
            engine.handle(.probePathMTU(inboundSPI: spi, octets: octets), at: now),
            at: now,
            into: &effects
        )
    }

    /// A pair by whose IKE SA a peer can be asked.
    private func probed(at remote: IPAddress) -> SPI? {
        pathMTUs.pairs(to: remote).last { pairs[$0]?.isManual == false }
    }

    /// Takes a probe's result, and what follows from it.
    func handle(_ probe: PathMTUProbe, at now: Instant, into effects: inout [ControlEffect]) {
        let remote = probe.remote
        guard var search = searches[remote], let asked = search.next,
            let interval = configuration.settings.pathMTUProbe
        else { return }
        search.took(asked: asked, octets: probe.octets, hasArrived: probe.hasArrived)
        searches[remote] = search
        adopt(search, to: remote, into: &effects)
        if search.next == nil {
            timers.set(.probePath(remote), at: now + interval)
        } else {
            timers.set(.probePath(remote), at: now)
        }
    }

    /// What the peer has answered counts more than what routers said, and does not age by itself.
    private func adopt(
        _ search: PathMTUSearch,
        to remote: IPAddress,
        into effects: inout [ControlEffect]
    ) {
        let before = linkMTU(to: remote)
        timers.cancel(.pathMTU(remote))
        if search.estimate >= configuration.settings.linkMTU {
            pathMTUs.forget(remote)
        } else {
            guard pathMTUs.learn(search.estimate, to: remote) else { return }
        }
        if linkMTU(to: remote) != before { setLinkMTU(to: remote, into: &effects) }
    }
}
