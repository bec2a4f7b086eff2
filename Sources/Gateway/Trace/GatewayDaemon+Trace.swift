internal import Configuration
internal import ConnectionControl
internal import DataPlane
internal import IPsecPrimitives
internal import LinuxIO
internal import Logging
internal import Management
internal import PacketProtection

/// The traces that run, each for one client.
struct RunningTraces {
    /// At once: each has a ring of its own, and costs time for every packet.
    static let limit = 4

    var traces: [RequestToken: PacketTrace] = [:]
    /// What each client was last told that it has not seen.
    var told: [RequestToken: [Int]] = [:]
    let timer: TimerDescriptor
    /// One for all, so that they agree on when a packet passed.
    var clockOffset = WallClockOffset()
    /// Nil where the configuration does not let anybody have keys.
    var keys: TraceKeys?
    /// The last pair whose keys a client was told, by its number; of clients that want keys.
    var keysTold: [RequestToken: Int] = [:]

    init() throws(SystemCallFailure) {
        timer = try TimerDescriptor()
    }
}

// `cygnet trace`: what the workers note goes to clients, at the pace of the clients.
extension GatewayDaemon {
    private static let traceInterval = Duration.milliseconds(50)
    /// Records of one trace a look: control has other things to do.
    private static let recordsALook = 512
    /// Octets of packets of one trace a look, with up to one packet more of each worker: in Base64 they
    /// must fit into one answer.
    private static let octetsALook = 4 << 20
    /// Pairs whose keys are told at one look: of all that a gateway may have they would be no answer
    /// that a client takes.
    private static let keysALook = 5000

    func registerTraces() throws(SystemCallFailure) {
        try loop.add(traces.timer.number) { [unowned self] _ in
            traces.timer.acknowledge()
            tellTraces()
        }
    }

    func beginTrace(_ request: TraceRequest, _ token: RequestToken) {
        guard traces.traces.count < RunningTraces.limit else {
            let failure = FailureStatus(
                kind: "too-many-traces",
                summary: "\(RunningTraces.limit) traces run already",
                remedy: "end one of them"
            )
            return management.reply(.failed(failure), to: token)
        }
        let filter: TraceFilter
        do throws(FailureStatus) {
            filter = try TraceFilter(request) { policies(of: $0) }
        } catch {
            return management.reply(.failed(error), to: token)
        }
        if request.keys {
            guard traces.keys != nil else {
                let failure = FailureStatus(
                    kind: "keys-refused",
                    summary: "the configuration does not let traces have keys",
                    remedy: "write trace-keys: true under gateway: and start the gateway again"
                )
                return management.reply(.failed(failure), to: token)
            }
            traces.keysTold[token] = 0
            logger.warning(
                "a trace of packets takes the keys of SAs: who has them reads the traffic"
            )
        }
        traces.traces[token] = dataPlane.beginTrace(filter)
        traces.timer.arm(at: BootClock.now() + GatewayDaemon.traceInterval)
        logger.info("a trace of packets begins")
        management.reply(.traced(TraceReport(entries: [])), to: token)
    }

    /// Ends the trace of a client that has gone, if it has one.
    func endTrace(_ token: RequestToken) {
        traces.told[token] = nil
        traces.keysTold[token] = nil
        guard let trace = traces.traces.removeValue(forKey: token) else { return }
        dataPlane.end(trace)
        logger.info("a trace of packets ends")
    }

    private func tellTraces() {
        guard !traces.traces.isEmpty else { return }
        traces.timer.arm(at: BootClock.now() + GatewayDaemon.traceInterval)
        traces.clockOffset.renew()
        let translation = TraceTranslation(
            controller: controller,
            devices: deviceNames,
            clockOffset: traces.clockOffset.seconds
        )
        for (token, trace) in traces.traces {
            // What a client does not take waits in the ring, and what has no room there is counted.
            guard management.keepsUp(token) else { continue }
            var entries: [TraceEntry] = []
            trace.take(
                limit: GatewayDaemon.recordsALook,
                octets: GatewayDaemon.octetsALook
            ) { worker, entry in
                entries.append(translation.entry(entry, worker: worker))
            }
            let missed = [trace.beyondRate, trace.lost]
            let keys = newKeys(for: token)
            guard !entries.isEmpty || !keys.isEmpty || traces.told[token] ?? [0, 0] != missed
            else { continue }
            traces.told[token] = missed
            let report = TraceReport(
                entries: entries,
                beyondRate: missed[0],
                lost: missed[1],
                keys: keys
            )
            management.reply(.traced(report), to: token)
        }
    }

    /// Has the keys of SAs kept from here on, where the configuration says so.
    func keepKeysForTraces() {
        guard configuration.settings.traceKeys else { return }
        logger.warning(
            """
            trace-keys is set: whoever may use the control socket can have the keys of every SA. \
            Take it out of the configuration when captures are done
            """
        )
        let keys = TraceKeys()
        traces.keys = keys
        controller.installationObserver = { keys.learn($0) }
        controller.removalObserver = { keys.forget($0) }
    }

    private func newKeys(for token: RequestToken) -> [String] {
        guard let told = traces.keysTold[token], let keys = traces.keys else { return [] }
        let news = keys.lines(after: told, limit: GatewayDaemon.keysALook)
        traces.keysTold[token] = news.last
        return news.lines
    }

    private var deviceNames: [UInt16: String] {
        var names = [DeviceNumber.shared.rawValue: device.name]
        for (number, device) in attached { names[number.rawValue] = device.name }
        return names
    }

    /// The policies of `connection` or `connection/tunnel`; nil when there is no such tunnel.
    private func policies(of name: String) -> Set<PolicyIdentifier>? {
        let parts = name.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let tunnels = configuration.connection(named: String(parts[0]))?.tunnels ?? []
        let chosen = tunnels.filter { parts.count == 1 || $0.name == parts[1] }
        guard !chosen.isEmpty else { return nil }
        return Set(chosen.compactMap { controller.policy(of: $0.path) })
    }
}
