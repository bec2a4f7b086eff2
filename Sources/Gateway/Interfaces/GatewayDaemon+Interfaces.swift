internal import Configuration
internal import ConnectionControl
internal import DataPlane
internal import IKEProtocol
internal import IPsecPrimitives
internal import LinuxIO
internal import Logging
internal import Management
internal import PacketProtection

// Interfaces of route-based tunnels.
extension GatewayDaemon {
    /// Peers whose way is looked at when routes change: as many as that takes no time to speak of.
    private static let peersLookedAt = 256

    /// Gives the packet path the interfaces that it has not, and takes from it those that are gone.
    func attachInterfaces() {
        var wanted: [DeviceNumber: TUNDevice] = [.shared: device]
        for tunnel in configuration.routeBasedTunnels {
            guard let name = tunnel.interface?.name.value,
                let number = controller.deviceNumber(of: tunnel.path),
                let device = tunnelDevices.devices[name]
            else { continue }
            wanted[number] = device
        }
        for number in attached.keys where wanted[number] == nil {
            dataPlane.post(.detach(number))
        }
        for (number, device) in wanted where attached[number] !== device {
            dataPlane.post(.attach(device, number))
        }
        attached = wanted
        for failure in tunnelDevices.keep(configuration) {
            logger.warning("an interface that is not needed stays: \(failure)")
        }
        if network.lacksIPv6 {
            logger.notice("the kernel has no IPv6: rules, routes and addresses are of IPv4 alone")
        }
    }

    /// Makes an interface anew that somebody deleted.
    func restoreInterface(_ number: DeviceNumber) {
        let tunnel = configuration.routeBasedTunnels.first {
            controller.deviceNumber(of: $0.path) == number
        }
        guard let tunnel, let name = tunnel.interface?.name.value else { return }
        attached[number] = nil
        do throws(SystemCallFailure) {
            try tunnelDevices.reopen(tunnel, of: configuration, network)
            attachInterfaces()
            keepGuard()
            logger.warning("somebody deleted \(name); it is there again, its routes may not be")
        } catch {
            logger.error("somebody deleted \(name), and it cannot be made anew: \(error)")
        }
    }

    // MARK: Circles

    /// The route to a peer, unless it leads into a tunnel, where our own datagrams must not go.
    func outerRoute(to remote: IPAddress) -> NetworkConfiguration.RouteToPeer? {
        guard let route = try? network.route(to: remote, mark: mark) else { return nil }
        return interfaceName(route.interfaceIndex) == nil ? route : nil
    }

    /// Looks whether the way to any peer leads into a tunnel, and tells of what has changed.
    func lookForCircles() {
        guard !configuration.routeBasedTunnels.isEmpty else {
            circles = [:]
            return
        }
        var found: [IPAddress: String] = [:]
        for peer in peers.prefix(GatewayDaemon.peersLookedAt) {
            guard let route = try? network.route(to: peer, mark: mark),
                let name = interfaceName(route.interfaceIndex)
            else { continue }
            found[peer] = name
            if circles[peer] != name { logger.error("\(GatewayDaemon.circle(peer, name))") }
        }
        for peer in circles.keys where found[peer] == nil {
            logger.notice("the route to \(peer) leads into a tunnel no more")
        }
        circles = found
    }

    static func circle(_ peer: IPAddress, _ interface: String) -> String {
        "the route to the peer \(peer) leads into the tunnel interface \(interface): IKE and ESP to it "
            + "are dropped, or they would go round in a circle; to mend it, add a route to \(peer) by "
            + "the way outside, or take it out of what is routed to \(interface)"
    }

    private var mark: PacketMark {
        PacketMark(
            value: configuration.settings.firewallMark,
            mask: configuration.settings.firewallMask
        )
    }

    private var peers: [IPAddress] {
        var peers: [IPAddress] = []
        for connection in configuration.connections {
            for case .address(let address) in connection.remoteAddresses.value {
                peers.append(address)
            }
        }
        peers += controller.engineStatus(at: BootClock.now()).ikeSAs.map(\.remote.address)
        var seen: Set<IPAddress> = []
        return peers.filter { seen.insert($0).inserted }
    }

    private func interfaceName(_ index: UInt32) -> String? {
        guard index > 0, !tunnelDevices.devices.isEmpty, let name = network.interfaceName(index)
        else { return nil }
        return tunnelDevices.devices[name] == nil ? nil : name
    }

    // MARK: Status

    /// What `cygnet status` shows of each tunnel's interface.
    var interfaceStatus: [TunnelPath: TunnelInterfaceStatus] {
        var result: [TunnelPath: TunnelInterfaceStatus] = [:]
        for tunnel in configuration.routeBasedTunnels {
            guard let interface = tunnel.interface else { continue }
            let name = interface.name.value
            let counts = network.statistics(of: name) ?? LinkStatistics()
            let circle = circles.filter { $0.value == name }.map(\.key).sorted {
                $0.description < $1.description
            }.first
            result[tunnel.path] = TunnelInterfaceStatus(
                name: name,
                mtu: TunnelDeviceMTU.octets(for: tunnel, of: configuration),
                addresses: interface.addresses.map(\.value.description),
                routes: interface.routes.map(\.value.description),
                received: TrafficCount(packets: counts.received, bytes: counts.receivedOctets),
                sent: TrafficCount(packets: counts.sent, bytes: counts.sentOctets),
                dropped: counts.receiveDrops + counts.sendDrops,
                problem: circle.map { GatewayDaemon.circle($0, name) }
            )
        }
        return result
    }
}

extension TunnelConfiguration {
    /// Whether IPv6 link-local addresses may talk through the tunnel, as routing protocols do.
    var carriesLinkLocal: Bool {
        guard let prefix = IPPrefix("fe80::/10"),
            let selector = TrafficSelector(first: prefix.first, last: prefix.last)
        else { return false }
        return local.contains { $0.value.covers(selector) }
            && remote.contains { $0.value.covers(selector) }
    }
}
