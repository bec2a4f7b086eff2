package import IPsecPrimitives

/// The network interface of a route-based tunnel: what the routing table sends there is what the
/// tunnel protects.
package struct InterfaceConfiguration: Equatable, Sendable {
    package var name: Located<String>
    /// Of this end, on the interface.
    package var addresses: [Located<InterfaceAddress>]
    /// Networks that the main routing table leads there.
    package var routes: [Located<IPPrefix>]
    /// Of `routes`: of two ways to one network the lower metric is taken.
    package var routeMetric: Located<UInt32>

    package init(
        name: Located<String>,
        addresses: [Located<InterfaceAddress>] = [],
        routes: [Located<IPPrefix>] = [],
        routeMetric: Located<UInt32>
    ) {
        self.name = name
        self.addresses = addresses
        self.routes = routes
        self.routeMetric = routeMetric
    }
}

/// An address and how much of it is the network of the link.
package struct InterfaceAddress: Hashable, Sendable, CustomStringConvertible {
    package let address: IPAddress
    /// Bits, 1 to 32 or 128.
    package let prefixLength: Int

    package init(address: IPAddress, prefixLength: Int) {
        self.address = address
        self.prefixLength = prefixLength
    }

    package var description: String { "\(address)/\(prefixLength)" }
}

extension GatewayConfiguration {
    /// The tunnels that routing chooses by their interface, in the order of the file.
    package var routeBasedTunnels: [TunnelConfiguration] {
        connections.flatMap { connection in connection.tunnels.filter { $0.interface != nil } }
    }
}
