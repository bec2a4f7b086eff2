package import Configuration
internal import IPsecPrimitives
package import PacketProtection

/// A shaper of the packet path, in the words of the configuration.
package struct TrafficOwner: Sendable {
    /// `branch` for the tunnels of a connection together, or `branch/net`.
    package let name: String
    package let rate: UInt64?
    package let classes: [TrafficClassConfiguration]
    package let shaper: TrafficShaper
}

extension GatewayConfiguration {
    /// Who has a limit, or a share of the gateway's: each tunnel with traffic of its own, and the others
    /// of a connection together, where the connection says so or the gateway has a rate.
    ///
    /// - Parameter policies: what the packet path calls the policy of each tunnel.
    package func trafficOwners(
        _ policies: [TunnelPath: PolicyIdentifier]
    ) -> [TrafficOwner] {
        var owners: [TrafficOwner] = []
        let marks = trafficMarks
        func add(_ name: String, _ tunnels: [TunnelConfiguration], _ own: TrafficConfiguration?) {
            let identifiers = tunnels.compactMap { policies[$0.path] }
            guard let first = identifiers.first else { return }
            let classes = trafficClasses(own)
            var shaper = TrafficShaper(
                identifier: first.rawValue,
                policies: identifiers,
                rate: own?.rate.value,
                classes: classes.map { TrafficClass($0, marks: marks) }
            )
            shaper.weight = own?.weight.value ?? 1
            owners.append(
                TrafficOwner(name: name, rate: own?.rate.value, classes: classes, shaper: shaper)
            )
        }
        for connection in connections {
            for tunnel in connection.tunnels where tunnel.traffic != nil {
                add(tunnel.path.description, [tunnel], tunnel.traffic)
            }
            guard connection.traffic != nil || settings.traffic?.rate.value != nil else { continue }
            let others = connection.tunnels.filter { $0.traffic == nil }
            add(connection.name, others, connection.traffic)
        }
        return owners
    }
}

extension TrafficClass {
    /// - Parameter marks: those that packets are told apart by, in order.
    package init(_ configuration: TrafficClassConfiguration, marks: [FirewallMark]) {
        self.init(
            priority: configuration.priority,
            weight: configuration.weight,
            ceiling: configuration.rate.value,
            patience: configuration.queue,
            rules: configuration.matches.map { TrafficRule($0, marks: marks) }
        )
    }
}

extension TrafficRule {
    package init(_ match: TrafficMatchConfiguration, marks: [FirewallMark]) {
        self.init(
            codePoints: match.codePoints.isEmpty
                ? nil : match.codePoints.reduce(0) { $0 | 1 << UInt64($1) }
        )
        let places = match.marks.compactMap { mark in
            marks.firstIndex { $0.value == mark.value.value }
        }
        self.marks = match.marks.isEmpty ? nil : places.reduce(0) { $0 | 1 << UInt64($1 + 1) }
        protocols = match.protocols
        ports = match.ports.map { $0.lower...$0.upper }
        local = match.local
        remote = match.remote
    }
}

extension ConnectionController {
    /// Whose traffic is limited, in the order of the configuration.
    package var trafficOwners: [TrafficOwner] {
        configuration.trafficOwners(numbering.policyOfTunnel)
    }

    /// Tells the packet path, where it has not heard it yet. Precondition: policies are numbered.
    func setTraffic(into effects: inout [ControlEffect]) {
        let plan = TrafficPlan(
            rate: configuration.settings.traffic?.rate.value,
            shapers: trafficOwners.map(\.shaper)
        )
        guard plan != traffic else { return }
        traffic = plan
        effects.append(.packetPath(.setTraffic(plan)))
    }
}
