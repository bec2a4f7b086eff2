internal import Configuration
internal import ConnectionControl
internal import DataPlane
internal import IKEProtocol
internal import IPsecPrimitives
internal import LinuxIO
internal import Logging
internal import Management
internal import PacketProtection

// Reading the configuration again.
extension GatewayDaemon {
    /// Reads the configuration and the secrets again and puts in force what has changed. Where
    /// anything is wrong, nothing is changed.
    func reload() -> ReloadStatus {
        let file = configuration.file
        guard !isClosing else {
            return .refused(file, [.init("the gateway is stopping", remedy: "start it again")])
        }
        let bytes: [UInt8]
        do throws(FileText.Refusal) {
            bytes = try FileText.read(file, limit: GatewayConfiguration.maximumBytes)
        } catch {
            return .refused(file, [.init(error.reason, remedy: error.remedy)])
        }
        let result = GatewayConfiguration.read(bytes, file: file)
        guard let new = result.configuration else {
            return .refused(file, result.diagnostics.map(ReloadStatus.Problem.init))
        }
        let secrets: ConnectionSecrets
        do throws(ConnectionSecrets.Refusals) {
            secrets = try ConnectionSecrets(reading: new)
        } catch {
            return .refused(file, error.refused.map(ReloadStatus.Problem.init))
        }
        let change = controller.change(
            to: new,
            credentials: secrets.credentials,
            manualKeys: secrets.manualKeys
        )
        guard change.refusals.isEmpty else {
            return .refused(file, change.refusals.map(ReloadStatus.Problem.init))
        }
        let before = (device: device, tunnels: tunnelDevices)
        do throws(SystemCallFailure) {
            device = try device.extended(toMarks: new.trafficMarks.count)
            try tunnelDevices.open(new, network)
        } catch {
            putBack(before)
            return .refused(
                file,
                [.init("the interfaces of tunnels cannot be set up: \(error)", remedy: nil)]
            )
        }
        do throws(SystemCallFailure) { try protect(new) } catch {
            putBack(before)
            return .refused(
                file,
                [.init("the kernel does not take the new guard: \(error)", remedy: nil)]
            )
        }
        putInForce(new, secrets, change)
        var status = ReloadStatus(file, change, result.warnings)
        if let warning = LastGoodConfiguration.warning(keeping: bytes, of: file) {
            status.problems.append(.init(warning, remedy: nil))
        }
        return status
    }

    /// Reloads because of a signal: nobody waits for the answer, so that the log gets it.
    func reloadBySignal() {
        let status = reload()
        for problem in status.problems {
            logger.log(
                level: status.isInForce ? .warning : .error,
                "\(problem.text)\(problem.remedy.map { "; to mend it: \($0)" } ?? "")"
            )
        }
        if !status.isInForce {
            logger.error("\(status.file) cannot be used; the configuration in force stays")
        }
    }

    /// Guard and routes of the new configuration, before anything else follows it.
    ///
    /// The guard changes in one step, and new rules come before old ones go: what both protect is
    /// never in clear in between. On failure the old ones are put back.
    private func protect(_ new: GatewayConfiguration) throws(SystemCallFailure) {
        let wanted = KernelPlans(new, localAddresses: localAddresses)
        guard wanted != plans else {
            // Routes to an interface go with its last address.
            return restoreRoutes()
        }
        defer { forgetOwnNews() }
        try keptGuard.replace(plans, by: wanted, network)
        plans = wanted
    }

    /// Devices and interfaces as the configuration in force has them.
    private func putBack(_ before: (device: TUNDevice, tunnels: TunnelDevices)) {
        device = before.device
        for failure in tunnelDevices.undo(to: before.tunnels, configuration, network) {
            logger.warning("an interface is not as before the reload: \(failure)")
        }
        // Routes to an interface go with its addresses.
        restoreRoutes()
    }

    private func putInForce(
        _ new: GatewayConfiguration,
        _ secrets: ConnectionSecrets,
        _ change: ConfigurationChange
    ) {
        if logger.logLevel.rawValue == configuration.settings.logLevel.rawValue {
            logger.logLevel = Logger.Level(rawValue: new.settings.logLevel.rawValue) ?? .info
        }
        configuration = new
        self.secrets = secrets
        controller.adopt(EngineSettings(new))
        dataPlane.post(.setErrorSource(localAddresses, for: new))
        steering?.set(new.steeredMarks)
        let now = BootClock.now()
        perform(
            controller.reload(
                new,
                credentials: secrets.credentials,
                manualKeys: secrets.manualKeys,
                at: now
            ),
            at: now
        )
        attachInterfaces()
        lookForCircles()
        setDeviceMTU()
        listenForStreams()
        // Who asked for the reload may count on it from here on, whichever worker a packet is for.
        if !dataPlane.waitUntilCarriedOut(milliseconds: 1000) {
            logger.warning("a worker of the packet path is late: old policies count there for now")
        }
        logger.notice(
            """
            \(new.file) is in force: \(change.added.count) added, \(change.changed.count) changed, \
            \(change.removed.count) removed, \(change.kept.count) kept
            """
        )
        notifier.status("\(new.connections.count) connections")
    }

    private func setDeviceMTU() {
        let octets = TunnelDeviceMTU.octets(for: configuration)
        guard octets != deviceMTU else { return }
        do throws(SystemCallFailure) {
            try network.setMTU(octets, of: device.name)
            deviceMTU = octets
        } catch {
            logger.warning("the MTU of \(device.name) stays \(deviceMTU): \(error)")
        }
    }
}

extension ReloadStatus {
    fileprivate static func refused(_ file: String, _ problems: [Problem]) -> ReloadStatus {
        ReloadStatus(file: file, isInForce: false, problems: problems)
    }

    fileprivate init(_ file: String, _ change: ConfigurationChange, _ warnings: [Diagnostic]) {
        self.init(
            file: file,
            isInForce: true,
            kept: change.kept,
            changed: change.changed.map { Change(name: $0.name, keys: $0.keys) },
            added: change.added,
            removed: change.removed,
            gatewayKeys: change.settings,
            policiesChanged: change.changesPolicies,
            problems: warnings.map(Problem.init)
        )
    }
}

extension ReloadStatus.Problem {
    fileprivate init(_ text: String, remedy: String?) {
        self.init(place: nil, text: text, remedy: remedy)
    }

    fileprivate init(_ diagnostic: Diagnostic) {
        self.init(
            place: diagnostic.location.description,
            text: "\(diagnostic.severity): \(diagnostic.message)",
            remedy: diagnostic.hint
        )
    }

    fileprivate init(_ refused: ConnectionSecrets.Refused) {
        self.init(
            place: refused.location.description,
            text: "error: \(refused.refusal.reason)",
            remedy: refused.refusal.remedy
        )
    }

    fileprivate init(_ refusal: ConfigurationChange.Refusal) {
        self.init(
            place: refusal.location.description,
            text: "error: \(refusal.key) cannot change while the gateway runs: \(refusal.reason)",
            remedy: "put it back, or restart the gateway"
        )
    }
}
