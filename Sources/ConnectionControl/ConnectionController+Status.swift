package import Configuration
package import IKEProtocol
package import IPsecPrimitives
package import PacketProtection

// What can be asked of the controller; nothing here changes it.
extension ConnectionController {
    package func engineStatus(at now: Instant) -> EngineStatus { engine.status(at: now) }

    /// How many IKE SAs `engineStatus` would show, and how many of all are half-open.
    package var saCounts: (shown: Int, halfOpen: Int) { engine.saCounts }

    /// The SPIs of the IKE SA that a Child SA belongs to; nil when there is no such Child SA.
    package func ikeSA(ofChild inboundSPI: SPI) -> (initiator: IKESPI, responder: IKESPI)? {
        engine.ikeSA(ofChild: inboundSPI)
    }

    /// The keys of all IKE SAs; nothing unless `EngineSettings.exposesKeys` is set.
    package var exposedKeys: [ExposedKeys] { engine.exposedKeys }

    package func state(of path: TunnelPath) -> TunnelState {
        guard let record = tunnels[path] else { return .down }
        if record.isUp { return .up }
        if record.isInitiating || timers[isSet: .retry(path)] { return .connecting }
        return record.standby == .trap || record.needsPacket ? .waitingForTraffic : .down
    }

    /// The pairs of a tunnel, newest first.
    package func pairs(of path: TunnelPath) -> [ChildSAPair] {
        (tunnels[path]?.pairs ?? []).reversed().compactMap { pairs[$0] }
    }

    /// The place of a tunnel in the policy database, counted from 1.
    package func policyOrder(of path: TunnelPath) -> Int? {
        numbering.placeOfTunnel[path].map { $0 + 1 }
    }

    /// The packet path's number for the device of a route-based tunnel; nil for other tunnels.
    package func deviceNumber(of path: TunnelPath) -> DeviceNumber? {
        numbering.deviceOfTunnel[path]
    }

    /// The name of a tunnel's policy in the packet path.
    package func policy(of path: TunnelPath) -> PolicyIdentifier? { tunnels[path]?.policy }

    /// Where a policy of the packet path comes from; nil when it is gone.
    package func origin(of policy: PolicyIdentifier) -> PolicyOrigin? {
        if policy == numbering.rest {
            let settings = configuration.settings
            return PolicyOrigin(
                action: settings.defaultPolicy == .bypass ? .bypass : .discard,
                tunnel: nil,
                order: nil,
                location: nil
            )
        }
        let tunnel = pathOfPolicy[policy]
        let place = tunnel.flatMap { numbering.placeOfTunnel[$0] } ?? numbering.placeOfPlain[policy]
        guard let place, configuration.policies.indices.contains(place) else {
            return tunnel.map {
                PolicyOrigin(
                    action: .protect,
                    tunnel: $0,
                    order: nil,
                    location: tunnels[$0]?.configuration.location
                )
            }
        }
        let entry = configuration.policies[place]
        return PolicyOrigin(
            action: PolicyAction(entry.action),
            tunnel: tunnel,
            order: place + 1,
            location: entry.location
        )
    }

    package func lastFailure(of connection: String) -> RecordedFailure? {
        connections[connection]?.failure
    }

    /// As last read.
    package var outboundCounters: PacketPathSnapshot? { counters.outbound }
    package var inboundCounters: PacketPathSnapshot? { counters.inbound }

    /// Forgets a management client that has gone.
    package func forget(_ token: RequestToken) {
        requests.remove(token)
        rekeys.remove(token)
    }
}
