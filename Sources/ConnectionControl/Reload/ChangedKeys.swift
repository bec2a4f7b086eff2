internal import Configuration

// The keys in which two entries of a configuration differ, in the words of the file.

extension ConnectionConfiguration {
    func changedKeys(from old: ConnectionConfiguration) -> [String] {
        if hasSamePeer(as: old) { return [] }
        var keys: [String] = []
        func compare(_ key: String, _ isSame: Bool) { if !isSame { keys.append(key) } }
        compare("keys", keying == old.keying)
        compare(
            "local",
            localAddress == old.localAddress && localIdentity == old.localIdentity
        )
        compare(
            "remote",
            remoteAddresses == old.remoteAddresses && remoteIdentity == old.remoteIdentity
        )
        compare("secret-file", secretFile == old.secretFile)
        compare("ike-proposals", ikeProposals == old.ikeProposals)
        compare("encapsulation", encapsulation == old.encapsulation)
        compare("liveness", liveness == old.liveness)
        compare("retransmission", retransmission.saysTheSame(as: old.retransmission))
        compare("ike-lifetime", lifetime == old.lifetime)
        compare("keepalive", keepalive == old.keepalive)
        compare("window", window == old.window)
        let (setup, before) = (establishment, old.establishment)
        compare("fragment-size", setup.fragmentSize == before.fragmentSize)
        compare("downgrade-prevention", setup.preventsDowngrade == before.preventsDowngrade)
        compare("childless", setup.childless == before.childless)
        compare("ppk", setup.ppk == before.ppk)
        compare("resumption", setup.isResumable == before.isResumable)
        compare("ticket-lifetime", setup.ticketLifetime == before.ticketLifetime)
        let (paths, pathsBefore) = (self.paths, old.paths)
        compare("mobike", paths.mobility == pathsBefore.mobility)
        compare(
            "additional-addresses",
            paths.additionalAddresses == pathsBefore.additionalAddresses
        )
        compare("follow-redirects", paths.followsRedirects == pathsBefore.followsRedirects)
        compare("redirect-to", paths.redirectTarget == pathsBefore.redirectTarget)
        compare("transport", paths.transport == pathsBefore.transport)
        compare("tcp-port", paths.tcpPort == pathsBefore.tcpPort)
        compare("udp-retry", paths.udpRetry == pathsBefore.udpRetry)
        compare("redirect-when", paths.redirectMoment == pathsBefore.redirectMoment)
        compare(
            "request-address",
            internalAddresses.requested == old.internalAddresses.requested
        )
        compare("assign", internalAddresses.assignment == old.internalAddresses.assignment)
        compare("window", window == old.window)
        compare("duplicates", duplicates == old.duplicates)
        compare("reauthenticate-after", reauthenticateAfter == old.reauthenticateAfter)
        compare("traffic", traffic == old.traffic)
        return keys.isEmpty ? ["settings"] : keys
    }
}

extension TunnelConfiguration {
    func changedKeys(from old: TunnelConfiguration) -> [String] {
        if saysTheSame(as: old) { return [] }
        var keys: [String] = []
        func compare(_ key: String, _ isSame: Bool) { if !isSame { keys.append(key) } }
        compare("local", local == old.local)
        compare("remote", remote == old.remote)
        compare("start", start == old.start)
        compare("on-loss", onLoss == old.onLoss)
        compare("esp-proposals", espProposals == old.espProposals)
        compare("lifetime", lifetime == old.lifetime)
        compare("lifetime-bytes", lifetimeBytes == old.lifetimeBytes)
        compare("lifetime-packets", lifetimePackets == old.lifetimePackets)
        compare("df", dontFragment == old.dontFragment)
        compare("dscp", dscp == old.dscp)
        compare("mss-clamp", mssClamp == old.mssClamp)
        compare("mtu", mtu == old.mtu)
        compare("replay-window", replayWindow == old.replayWindow)
        compare("mode", carriage.mode == old.carriage.mode)
        compare("ah-proposals", carriage.ahProposals == old.carriage.ahProposals)
        compare("compression", carriage.compression == old.carriage.compression)
        compare("tfc-padding", carriage.padding == old.carriage.padding)
        compare("later-fragments", carriage.laterFragments == old.carriage.laterFragments)
        compare("fragmentation", carriage.fragmentation == old.carriage.fragmentation)
        compare("sa-per", carriage.populated == old.carriage.populated)
        compare("resources", carriage.resources == old.carriage.resources)
        compare("spread", carriage.isSpread == old.carriage.isSpread)
        compare("sa-per-dscp", carriage.codePointSets == old.carriage.codePointSets)
        compare("pad-to", carriage.padTo == old.carriage.padTo)
        compare("dummy-packets", carriage.dummiesPerSecond == old.carriage.dummiesPerSecond)
        compare("ip-tfs", carriage.train == old.carriage.train)
        compare("traffic", traffic == old.traffic)
        compare("in", manualKeys?.inbound == old.manualKeys?.inbound)
        compare("out", manualKeys?.outbound == old.manualKeys?.outbound)
        compare("interface", interface?.name == old.interface?.name)
        compare("addresses", interface?.addresses == old.interface?.addresses)
        compare("routes", interface?.routes == old.interface?.routes)
        compare("route-metric", interface?.routeMetric == old.interface?.routeMetric)
        return keys.isEmpty ? ["settings"] : keys
    }

    /// Whether the packet path would set up an SA of this tunnel as one of `old`. What it was told
    /// of an SA in place stays, so that only a successor has the new values.
    func isCarriedAs(_ old: TunnelConfiguration) -> Bool {
        lifetimeBytes == old.lifetimeBytes && lifetimePackets == old.lifetimePackets
            && dontFragment == old.dontFragment && dscp == old.dscp && mssClamp == old.mssClamp
            && mtu == old.mtu && replayWindow == old.replayWindow
            && carriage.fragmentation == old.carriage.fragmentation
            && carriage.padTo == old.carriage.padTo
            && carriage.dummiesPerSecond == old.carriage.dummiesPerSecond
            && carriage.train == old.carriage.train
            && carriage.codePointSets == old.carriage.codePointSets
            && carriage.isSpread == old.carriage.isSpread
    }
}

extension GatewaySettings {
    func changedKeys(from old: GatewaySettings) -> [String] {
        if saysTheSame(as: old) { return [] }
        var keys: [String] = []
        func compare(_ key: String, _ isSame: Bool) { if !isSame { keys.append(key) } }
        compare("default-policy", defaultPolicy == old.defaultPolicy)
        compare("log-level", logLevel == old.logLevel)
        compare("cookie-threshold", cookieThreshold == old.cookieThreshold)
        compare("half-open-limit", halfOpenLimit == old.halfOpenLimit)
        compare("defence", defence == old.defence)
        compare("replay-window", replayWindow == old.replayWindow)
        compare("link-mtu", linkMTU == old.linkMTU)
        compare("path-mtu-floor", pathMTUFloor == old.pathMTUFloor)
        compare("path-mtu-memory", pathMTUMemory == old.pathMTUMemory)
        compare("path-mtu-probe", pathMTUProbe == old.pathMTUProbe)
        compare("mtu", mtu == old.mtu)
        compare("listen.tcp-ports", tcpPorts == old.tcpPorts)
        compare("traffic", traffic == old.traffic)
        keys += fixedKeys(changedFrom: old).map(\.key)
        return keys.isEmpty ? ["settings"] : keys
    }

    /// What was settled when the gateway started, and why it cannot be changed since.
    func fixedKeys(changedFrom old: GatewaySettings) -> [(key: String, reason: String)] {
        var keys: [(key: String, reason: String)] = []
        func compare(_ key: String, _ isSame: Bool, _ reason: String) {
            if !isSame { keys.append((key, reason)) }
        }
        let bound =
            "the sockets are bound, and binding them anew needs privileges that are given up"
        let laid = "rules, routes and sockets in the kernel carry it"
        compare("interface", interfaceName == old.interfaceName, "the device carries its name")
        compare(
            "control-socket",
            controlSocket == old.controlSocket,
            "clients are connected to it, and its directory is all that may be written to"
        )
        compare("listen.addresses", listenAddresses == old.listenAddresses, bound)
        compare("listen.ike-port", ikePort == old.ikePort, bound)
        compare("listen.nat-port", natPort == old.natPort, bound)
        compare(
            "crash-detection",
            crashDetection == old.crashDetection,
            "the secret for it is read, or not, before files are out of reach"
        )
        compare(
            "trace-keys",
            traceKeys == old.traceKeys,
            "the keys of SAs in place are kept from the start, or never"
        )
        compare("packet-cipher", packetCipher == old.packetCipher, "SAs in place use it")
        let begun = "the packet path's threads, queues and sockets are made at the start"
        compare("workers", workers == old.workers, begun)
        compare("worker-cpus", workerProcessors == old.workerProcessors, begun)
        compare("cipher-threads", cipherThreads == old.cipherThreads, begun)
        compare("held-packets", heldPackets == old.heldPackets, "their memory is set aside")
        compare("path-mtu", pathMTU == old.pathMTU, laid)
        compare("routing-table", routingTable == old.routingTable, laid)
        compare("rule-priority", rulePriority == old.rulePriority, laid)
        compare("firewall-mark", firewallMark == old.firewallMark, laid)
        compare("firewall-mask", firewallMask == old.firewallMask, laid)
        return keys
    }
}
