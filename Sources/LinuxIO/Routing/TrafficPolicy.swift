package import IPsecPrimitives

/// What the kernel must do with a class of packets: one entry of the security policy database as
/// routing and the guard need it (RFC 4301 §4.4.1), by plain values.
package struct TrafficPolicy: Hashable, Sendable {
    package enum Action: Hashable, Sendable {
        /// Only through the tunnel device.
        case protect
        /// In clear, around the tunnel.
        case bypass
        /// Not at all.
        case prohibit
    }

    package var action: Action
    package var local: IPPrefix
    package var remote: IPPrefix
    /// The IP protocol number; 0 stands for any.
    package var ipProtocol: UInt8
    /// For ICMP (1, 58) `localPorts` holds types and codes as in `PortRange.icmp`.
    package var localPorts: PortRange
    package var remotePorts: PortRange
    /// The address inside `local` that this machine's own sockets take when they chose none.
    package var preferredSource: IPAddress?

    package init(
        _ action: Action,
        local: IPPrefix,
        remote: IPPrefix,
        ipProtocol: UInt8 = 0,
        localPorts: PortRange = .any,
        remotePorts: PortRange = .any,
        preferredSource: IPAddress? = nil
    ) {
        self.action = action
        self.local = local
        self.remote = remote
        self.ipProtocol = ipProtocol
        self.localPorts = localPorts
        self.remotePorts = remotePorts
        self.preferredSource = preferredSource
    }

    /// The policies that together cover the pair of selectors; empty when nothing matches both.
    package static func covering(
        _ action: Action,
        local: TrafficSelector,
        remote: TrafficSelector,
        preferredSource: IPAddress? = nil
    ) -> [TrafficPolicy] {
        guard local.version == remote.version else { return [] }
        guard
            local.ipProtocol == 0 || remote.ipProtocol == 0
                || local.ipProtocol == remote.ipProtocol
        else { return [] }
        return local.prefixes.flatMap { localPrefix in
            remote.prefixes.map { remotePrefix in
                TrafficPolicy(
                    action,
                    local: localPrefix,
                    remote: remotePrefix,
                    ipProtocol: max(local.ipProtocol, remote.ipProtocol),
                    localPorts: local.ports,
                    remotePorts: remote.ports,
                    preferredSource: preferredSource.flatMap {
                        localPrefix.contains($0) ? $0 : nil
                    }
                )
            }
        }
    }

    package var version: IPVersion { local.version }

    /// Whether it covers every packet of its version.
    package var isForEverything: Bool { local.length == 0 && remote.length == 0 && ipProtocol == 0 }
}
