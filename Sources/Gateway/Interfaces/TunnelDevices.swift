internal import Configuration
internal import LinuxIO

/// The interfaces of route-based tunnels as this process has them open, by their names.
///
/// Each is made to last: when the process ends in any way, the interface stays with its addresses and
/// routes and drops what is sent to it, so that nothing takes another way in clear.
struct TunnelDevices {
    private(set) var devices: [String: TUNDevice] = [:]
    /// Of each interface, one for each worker.
    private let queues: Int
    /// What tells marks apart, where traffic classes ask for any.
    private let steering: MarkSteering?

    /// Packets that may wait for the worker.
    private static let queueLength = 10_000

    init(queues: Int, steering: MarkSteering?) {
        self.queues = queues
        self.steering = steering
    }

    /// Opens the interfaces of a configuration that are not open yet, and sets each up; those that a
    /// configuration before had stay open, until `keep`.
    ///
    /// On failure `undo` makes everything as before.
    mutating func open(
        _ configuration: GatewayConfiguration,
        _ network: NetworkConfiguration
    ) throws(SystemCallFailure) {
        var opened: [String: TUNDevice] = [:]
        var extended: [String: TUNDevice] = [:]
        let marks = configuration.trafficMarks.count
        for tunnel in configuration.routeBasedTunnels {
            guard let interface = tunnel.interface else { continue }
            let name = interface.name.value
            if let device = devices[name] {
                extended[name] = try device.extended(toMarks: marks)
            } else {
                opened[name] = try make(name, marks: marks)
            }
            try TunnelDevices.setUp(tunnel, interface, of: configuration, network)
        }
        devices.merge(opened) { old, _ in old }
        devices.merge(extended) { _, new in new }
        for device in opened.values { try device.setLasting(true) }
    }

    /// Takes back what `open` did for a configuration that is not to be in force after all.
    ///
    /// - Returns: what could not be put back.
    mutating func undo(
        to before: TunnelDevices,
        _ configuration: GatewayConfiguration,
        _ network: NetworkConfiguration
    ) -> [SystemCallFailure] {
        var failures: [SystemCallFailure] = []
        for (name, device) in devices where before.devices[name] == nil {
            do throws(SystemCallFailure) { try device.setLasting(false) } catch {
                failures.append(error)
            }
        }
        self = before
        for tunnel in configuration.routeBasedTunnels {
            guard let interface = tunnel.interface, devices[interface.name.value] != nil
            else { continue }
            do throws(SystemCallFailure) {
                try TunnelDevices.setUp(tunnel, interface, of: configuration, network)
            } catch {
                failures.append(error)
            }
        }
        return failures
    }

    private func make(_ name: String, marks: Int) throws(SystemCallFailure) -> TUNDevice {
        try TUNDevice(
            name: name,
            queues: queues,
            steering: steering,
            marks: steering == nil ? 0 : marks
        )
    }

    /// Opens one that somebody deleted.
    mutating func reopen(
        _ tunnel: TunnelConfiguration,
        of configuration: GatewayConfiguration,
        _ network: NetworkConfiguration
    ) throws(SystemCallFailure) {
        guard let interface = tunnel.interface else { return }
        let name = interface.name.value
        devices[name] = nil
        let device = try make(name, marks: configuration.trafficMarks.count)
        try TunnelDevices.setUp(tunnel, interface, of: configuration, network)
        try device.setLasting(true)
        devices[name] = device
    }

    /// Removes the interfaces of tunnels that are not in the configuration any more; each is gone when
    /// the packet path has let it go as well.
    ///
    /// - Returns: why some stay.
    mutating func keep(_ configuration: GatewayConfiguration) -> [SystemCallFailure] {
        var failures: [SystemCallFailure] = []
        let wanted = Set(configuration.routeBasedTunnels.compactMap { $0.interface?.name.value })
        for (name, device) in devices where !wanted.contains(name) {
            do throws(SystemCallFailure) { try device.setLasting(false) } catch {
                failures.append(error)
            }
            devices[name] = nil
        }
        return failures
    }

    /// Makes the interfaces that are not there, for a guard without a daemon: what is routed to them is
    /// dropped.
    static func makeUnattended(
        _ configuration: GatewayConfiguration,
        _ network: NetworkConfiguration
    ) throws(SystemCallFailure) {
        let present = try network.tunnelInterfaces().map(\.name)
        // The gateway can open more queues of a device that was made to have more than one alone.
        // Where a gateway could not start, its interfaces keep traffic in all the same.
        let workers = (try? WorkerPlan(configuration.settings))?.count ?? 2
        let queues = workers > 1 || !configuration.trafficMarks.isEmpty ? 2 : 1
        for tunnel in configuration.routeBasedTunnels {
            guard let interface = tunnel.interface, !present.contains(interface.name.value)
            else { continue }
            let device = try TUNDevice(name: interface.name.value, queues: queues)
            try setUp(tunnel, interface, of: configuration, network)
            try device.setLasting(true)
        }
    }

    private static func setUp(
        _ tunnel: TunnelConfiguration,
        _ interface: InterfaceConfiguration,
        of configuration: GatewayConfiguration,
        _ network: NetworkConfiguration
    ) throws(SystemCallFailure) {
        let name = interface.name.value
        try network.setTunnelInterfaceUp(
            name,
            mtu: TunnelDeviceMTU.octets(for: tunnel, of: configuration),
            queueLength: queueLength,
            hasLinkLocal: tunnel.carriesLinkLocal
        )
        try network.setAddresses(
            interface.addresses.map {
                LinkAddress(address: $0.value.address, prefixLength: $0.value.prefixLength)
            },
            of: name
        )
    }
}
