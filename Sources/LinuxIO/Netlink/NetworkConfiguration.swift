package import IPsecPrimitives

/// Links, addresses, routes and rules of this network namespace, through rtnetlink.
package final class NetworkConfiguration {
    /// How the kernel would send to an address.
    package struct RouteToPeer: Hashable, Sendable {
        /// The address that the kernel would send from.
        package var source: IPAddress?
        package var interfaceIndex: UInt32
        package var gateway: IPAddress?
        /// Bytes; the path's, or else the link's.
        package var mtu: Int?
    }

    package init() throws(SystemCallFailure) {
    }

    package func setLinkUp(_ name: String, mtu: Int, queueLength: Int) throws(SystemCallFailure) {
    }

    package func addAddress(_ prefix: IPPrefix, to link: String) throws(SystemCallFailure) {
    }

    /// The addresses of every link, but for loopback and link-local ones.
    package func localAddresses() throws(SystemCallFailure) -> [IPAddress] {
        []
    }

    /// How marked packets of ours reach `peer`; nil when nothing leads there.
    package func route(
        to peer: IPAddress,
        mark: PacketMark = .own
    ) throws(SystemCallFailure) -> RouteToPeer? {
        nil
    }

    /// Makes rules and routes what `plan` says, changing only what differs, and only our own.
    package func apply(_ plan: RoutingPlan) throws(SystemCallFailure) {
    }

    /// Deletes every rule and route that is ours.
    package func withdraw() throws(SystemCallFailure) {
    }
}
