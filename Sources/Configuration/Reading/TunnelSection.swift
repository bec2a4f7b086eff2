internal import IPsecPrimitives

/// Reads one entry of `tunnels:`.
struct TunnelSection {
    static let keys =
        [
            "local", "remote", "start", "on-loss", "esp-proposals", "lifetime", "lifetime-bytes",
            "lifetime-packets", "df", "dscp", "mss-clamp", "mtu", "replay-window", "traffic",
        ] + carriageKeys + trafficFlowKeys + interfaceKeys + manualKeys

    let path: TunnelPath
    let settings: GatewaySettings
    /// Whether the peer's address is known.
    let mayBegin: Bool
    /// Whether the keys of the connection are manual.
    let isManual: Bool
    /// Of the connection, for tunnels that do not say.
    let onLoss: Located<TunnelConfiguration.OnLoss>?
    /// Of the configuration file, with its slash; empty for the working directory.
    let directory: String
    let problems: Problems

    /// Nil when the selectors are missing or wrong; reported.
    func read(_ entry: YAMLEntry) -> TunnelConfiguration? {
        guard
            let reader = MappingReader(
                entry.value,
                subject: "tunnel \"\(path)\"",
                keys: TunnelSection.keys,
                problems: problems
            )
        else { return nil }
        let local = selectors("local", reader)
        let remote = selectors("remote", reader)
        checkFamilies(local, remote)
        let espProposals = reader.list(
            "esp-proposals",
            atMost: ConfigurationLimits.proposals,
            ProposalText.esp
        )
        var tunnel = TunnelConfiguration(
            path: path,
            location: entry.keyLocation,
            local: local,
            remote: remote,
            start: isManual ? Located(.atBoot, at: entry.keyLocation) : readStart(reader),
            espProposals: espProposals
                ?? (isManual ? [] : DefaultProposals.esp).map { Located($0, at: entry.keyLocation) },
            lifetime: reader.value(
                "lifetime",
                default: .seconds(3600),
                NumberText.duration(ConfigurationLimits.tunnelLifetime)
            ),
            lifetimeBytes: reader.value("lifetime-bytes", default: nil) {
                (text) throws(Complaint) in
                try NumberText.bytes(65_536...(1 << 62))(text)
            },
            lifetimePackets: reader.value("lifetime-packets", default: nil) {
                (text) throws(Complaint) in
                try NumberText.integer(100...(UInt64(1) << 62))(text)
            },
            dontFragment: reader.value(
                "df",
                default: .copy,
                WordText.oneOf(TunnelConfiguration.DontFragment.self)
            ),
            dscp: reader.value("dscp", default: .copy, TunnelSection.dscp),
            mssClamp: reader.value("mss-clamp", default: .automatic, TunnelSection.mssClamp),
            mtu: reader.value(
                "mtu",
                default: nil,
                NumberText.integer(ConfigurationLimits.innerMTU, orWord: "auto")
            ),
            replayWindow: reader.value(
                "replay-window",
                default: settings.replayWindow,
                NumberText.integer(ConfigurationLimits.replayWindow)
            )
        )
        readCarriage(reader, into: &tunnel)
        readTrafficFlow(reader, into: &tunnel)
        readInterface(reader, into: &tunnel)
        if let node = reader.node("traffic") {
            tunnel.traffic = TrafficSection(owner: "tunnel \"\(path)\"", problems: problems)
                .read(node, keys: TrafficSection.keys)
        }
        readManualKeys(reader, into: &tunnel)
        let own = TunnelSection.readOnLoss(reader, mayBegin: mayBegin)
        if let chosen = own ?? onLoss { tunnel.onLoss = chosen }
        return tunnel
    }

    private func selectors(
        _ key: String,
        _ reader: MappingReader
    ) -> [Located<TrafficSelector>] {
        guard
            let list = reader.list(
                key,
                atMost: ConfigurationLimits.selectors,
                SelectorText.parse
            )
        else {
            if reader.node("interface") != nil {
                return TunnelSection.everything(at: reader.location)
            }
            reader.reportMissing(
                key,
                hint: "write the \(key) networks, as in `\(key): 10.1.0.0/16`"
            )
            return []
        }
        return list
    }

    /// Each selector needs one of its IP version on the other side, or it covers nothing.
    private func checkFamilies(
        _ local: [Located<TrafficSelector>],
        _ remote: [Located<TrafficSelector>]
    ) {
        guard !local.isEmpty, !remote.isEmpty else { return }
        for (mine, others, other) in [(local, remote, "remote"), (remote, local, "local")] {
            for selector in mine
            where !others.contains(where: { $0.value.version == selector.value.version }) {
                let family = selector.value.version == .v4 ? "IPv4" : "IPv6"
                problems.error(
                    at: selector.location,
                    "\(selector.value) in tunnel \"\(path)\" is \(family), but no \(other) network "
                        + "is",
                    hint: "add \(family == "IPv4" ? "an IPv4" : "an IPv6") network to "
                        + "\"\(other)\", or remove this one"
                )
            }
            checkRepeated(mine)
        }
        let agree = local.contains { near in
            remote.contains {
                near.value.version == $0.value.version
                    && (near.value.ipProtocol == 0 || $0.value.ipProtocol == 0
                        || near.value.ipProtocol == $0.value.ipProtocol)
            }
        }
        if !agree, Set(local.map(\.value.version)) == Set(remote.map(\.value.version)) {
            problems.error(
                at: local[0].location,
                "local and remote networks of tunnel \"\(path)\" name different protocols",
                hint: "name the same protocol on both sides, or on one side only"
            )
        }
    }

    private func checkRepeated(_ selectors: [Located<TrafficSelector>]) {
        for (index, selector) in selectors.enumerated() {
            if let wider = selectors[..<index].first(where: { $0.value.covers(selector.value) }) {
                problems.warning(
                    at: selector.location,
                    "\(selector.value) lies within \(wider.value) of the same list",
                    hint: "remove it"
                )
            }
        }
    }

    private func readStart(_ reader: MappingReader) -> Located<TunnelConfiguration.Start> {
        let start = reader.value(
            "start",
            default: mayBegin ? .onTraffic : .byHand,
            WordText.oneOf(TunnelConfiguration.Start.self)
        )
        if !mayBegin, start.value != .byHand {
            problems.error(
                at: start.location,
                "\"start: \(start.value.rawValue)\", but the peer's address is not known",
                hint: "remove it, so that the peer begins, or write the peer's address"
            )
        }
        return start
    }

    /// As the tunnel says, or its connection, or as suits the start.
    static func readOnLoss(
        _ reader: MappingReader,
        mayBegin: Bool
    ) -> Located<TunnelConfiguration.OnLoss>? {
        guard reader.node("on-loss") != nil else { return nil }
        let onLoss = reader.value(
            "on-loss",
            default: .clear,
            WordText.oneOf(TunnelConfiguration.OnLoss.self)
        )
        if !mayBegin, onLoss.value != .clear {
            reader.problems.error(
                at: onLoss.location,
                "\"on-loss: \(onLoss.value.rawValue)\", but the peer's address is not known",
                hint: "remove it, so that the peer begins again, or write the peer's address"
            )
        }
        return onLoss
    }

    private static func dscp(_ text: String) throws(Complaint) -> TunnelConfiguration.DSCP {
        if text == "copy" { return .copy }
        do throws(Complaint) {
            return .fixed(try NumberText.integer(0...63)(text))
        } catch {
            throw Complaint(error.message, hint: "write copy, or a number from 0 to 63")
        }
    }

    private static func mssClamp(
        _ text: String
    ) throws(Complaint) -> TunnelConfiguration.MSSClamp {
        switch text {
        case "auto", "true": return .automatic
        case "off", "false": return .off
        default:
            do throws(Complaint) {
                return .fixed(try NumberText.integer(88...65_495)(text))
            } catch {
                throw Complaint(error.message, hint: "write auto, off, or 88 to 65495 bytes")
            }
        }
    }
}
