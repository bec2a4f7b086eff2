package import IPsecPrimitives

/// What must never pass in clear, whatever routes say and whether or not the daemon runs.
package struct GuardPlan: Hashable, Sendable {
    package var device: String
    package var mark: PacketMark
    /// In the order in which they decide; the first that matches does.
    package var policies: [TrafficPolicy]
    /// Where our IKE and ESP arrive; empty stands for every address of this machine.
    package var localAddresses: [IPAddress]
    /// UDP ports of our IKE and encapsulated ESP.
    package var ports: [UInt16]
    /// TCP ports of our IKE and of ESP along connections; empty where none may go by TCP.
    package var streamPorts: [UInt16]
    /// Interfaces on the protected side of the boundary (RFC 4301 §3.1), where packets are in
    /// clear by right; needed only when a policy's local and remote networks overlap.
    package var insideInterfaces: [String]
    /// Those of route-based tunnels: what passes them is protected by their tunnels, where `policies`
    /// do not say otherwise.
    package var tunnelInterfaces: [String]
    /// What becomes of everything that neither `policies` nor a route to such an interface covers.
    package var remainder: [TrafficPolicy]

    package init(
        device: String = "cygnet0",
        mark: PacketMark = .own,
        policies: [TrafficPolicy],
        localAddresses: [IPAddress] = [],
        ports: [UInt16] = [500, 4500],
        streamPorts: [UInt16] = [],
        insideInterfaces: [String] = [],
        tunnelInterfaces: [String] = [],
        remainder: [TrafficPolicy] = []
    ) {
        self.device = device
        self.mark = mark
        self.policies = policies
        self.localAddresses = localAddresses
        self.ports = ports
        self.streamPorts = streamPorts
        self.insideInterfaces = insideInterfaces
        self.tunnelInterfaces = tunnelInterfaces
        self.remainder = remainder
    }
}
