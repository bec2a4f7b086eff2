internal import Glibc
internal import IPsecPrimitives

/// Policy routing: what differs between the kernel's rules and routes of ours and a plan.
extension NetworkConfiguration {
    /// Makes rules and routes what `plan` says, changing only what differs, and only our own.
    ///
    /// New rules are in place before old ones go, so that nothing that both protect passes in
    /// clear meanwhile. Without the device, or while it is down, everything that a policy
    /// protects is unreachable.
    ///
    /// What the kernel refuses keeps nothing else from being done, and is told at the end.
    ///
    /// - Returns: how many rules and routes changed.
    ///
    /// - Parameter toleratesConflicts: whether a route of somebody else's in the way of one of ours is
    ///   only noted (`conflicts`), and no failure.
    @discardableResult
    package func apply(
        _ plan: RoutingPlan,
        toleratesConflicts: Bool = false
    ) throws(SystemCallFailure) -> Int {
        var interfaces: [String: UInt32] = [:]
        for name in Set(plan.interfaceRoutes.map(\.interface)) {
            interfaces[name] = indexOfLinkThatIsUp(name)
        }
        let wanted = try RoutingDerivation(
            plan,
            deviceIndex: indexOfLinkThatIsUp(plan.device),
            interfaces: interfaces
        )
        let changes = try reconcile(wanted.rules, wanted.routes)
        conflicts = Set(changes.failures.filter(\.isRouteConflict))
        if let failure = changes.failure, !toleratesConflicts || !failure.isRouteConflict {
            throw failure
        }
        return changes.count
    }

    /// Deletes every rule and route that is ours.
    package func withdraw() throws(SystemCallFailure) {
        if let failure = try reconcile([], []).failure { throw failure }
    }

    private func reconcile(
        _ rules: [RoutingRule],
        _ routes: [Route]
    ) throws(SystemCallFailure) -> RoutingChanges {
        let presentRules = try Set(ownRules())
        let presentRoutes = try Set(ownRoutes())
        let missingRoutes = routes.filter { !presentRoutes.contains($0) }
        let missingRules = rules.filter { !presentRules.contains($0) }
        let followed = Set(missingRules.filter(\.leadsSomewhere).map(\.withoutTarget))
        let staleRules = NetworkConfiguration.deletionOrder(
            presentRules.subtracting(rules).filter {
                !$0.leadsSomewhere || !followed.contains($0.withoutTarget)
            }
        )
        // Putting a route replaced the one of its key; deleting that would delete the new one.
        let replaced = Set(routes.map(\.key))
        let staleRoutes = presentRoutes.subtracting(routes).filter { !replaced.contains($0.key) }
        var changes = RoutingChanges(socket)
        // What keeps traffic in needs no device, and comes before what lets it go somewhere.
        for route in missingRoutes where route.target == .unreachable {
            changes.perform(for: route.version) { () throws(SystemCallFailure) in
                try add(route, beside: presentRoutes)
            }
        }
        // To the kernel two rules that lead to other places alone are the same.
        let leading = Dictionary(
            presentRules.filter { $0.leadsSomewhere }.map { ($0.withoutTarget, $0) },
            uniquingKeysWith: { first, _ in first }
        )
        let refusedBefore = changes.failures.count
        var gone: Set<RoutingRule> = []
        for rule in missingRules {
            changes.perform(for: rule.version) { () throws(SystemCallFailure) in
                if rule.leadsSomewhere, let old = leading[rule.withoutTarget] {
                    _ = try delete(old)
                }
                return try add(rule, beside: presentRules, &gone)
            }
        }
        let hasEveryRule = changes.failures.count == refusedBefore
        for route in missingRoutes where route.target != .unreachable {
            changes.perform(for: route.version) { () throws(SystemCallFailure) in
                try add(route, beside: presentRoutes)
            }
        }
        // Where a new rule is missing an old one may be what protects in its place.
        for rule in staleRules where hasEveryRule && !gone.contains(rule) {
            changes.perform(for: rule.version) { () throws(SystemCallFailure) in
                try delete(rule)
            }
        }
        for route in staleRoutes {
            changes.perform(for: route.version) { () throws(SystemCallFailure) in
                try delete(route)
            }
        }
        if changes.lacksIPv6 { lacksIPv6 = true }
        return changes
    }

    /// From the last to the first, so that what is left is always the beginning of the old
    /// policies: no old bypass decides for a moment because the protect before it went first.
    /// Places to go to last of all: a rule that goes nowhere is passed over.
    static func deletionOrder(_ rules: Set<RoutingRule>) -> [RoutingRule] {
        rules.sorted {
            let isPlace = ($0.action == .nothing, $1.action == .nothing)
            if isPlace.0 != isPlace.1 { return isPlace.1 }
            return $0.priority > $1.priority
        }
    }

    // MARK: Changes

    /// As often a rule is looked for that is there and is not shown.
    private static let listTries = 20

    private func add(
        _ rule: RoutingRule,
        beside present: Set<RoutingRule>,
        _ gone: inout Set<RoutingRule>
    ) throws(SystemCallFailure) -> Bool {
        do {
            try create(rule)
        } catch  where error.errorNumber == EEXIST {
            // What a new rule leaves open, the kernel compares with nothing: a wider one is to it the
            // narrower one that stands there.
            var inTheWay = present.filter { $0.hasPlace(of: rule) }
            // It was not shown: the kernel lists rules by their number in the list, so that one that
            // somebody takes away meanwhile hides another.
            for _ in 0..<NetworkConfiguration.listTries where inTheWay.isEmpty {
                let shown = try ownRules()
                if shown.contains(rule) { return false }
                inTheWay = Set(shown.filter { $0.hasPlace(of: rule) })
            }
            for old in inTheWay where try delete(old) { gone.insert(old) }
            try create(rule)
        }
        return true
    }

    private func create(_ rule: RoutingRule) throws(SystemCallFailure) {
        _ = try socket.request(
            NetlinkConstant.newRule,
            flags: NetlinkConstant.create | NetlinkConstant.exclusive,
            rule.encoded(),
            what: "ip rule add priority \(rule.priority)"
        )
    }

    private func delete(_ rule: RoutingRule) throws(SystemCallFailure) -> Bool {
        do {
            _ = try socket.request(
                NetlinkConstant.deleteRule,
                flags: 0,
                rule.encoded(),
                what: "ip rule delete priority \(rule.priority)"
            )
        } catch  where error.errorNumber == ENOENT {
        }
        return true
    }

    private func add(
        _ route: Route,
        beside present: Set<Route>
    ) throws(SystemCallFailure) -> Bool {
        do {
            try put(route, beside: present)
            return true
        } catch  where error.errorNumber == EINVAL && route.preferredSource != nil {
            // The address has gone, or is still being checked for duplicates; without the hint
            // only sockets that chose no source are worse off.
            var plain = route
            plain.preferredSource = nil
            if present.contains(plain) { return false }
            try put(plain, beside: present)
            return true
        } catch  where route.isClosedWithout(error) {
            return false
        }
    }

    /// One of ours with the same key makes place; one of somebody else's stays, and is told of.
    private func put(_ route: Route, beside present: Set<Route>) throws(SystemCallFailure) {
        do {
            try create(route)
        } catch  where error.errorNumber == EEXIST {
            let ours = present.filter { $0.key == route.key }
            guard !ours.isEmpty else { throw route.conflict }
            for old in ours { _ = try delete(old) }
            do { try create(route) } catch  where error.errorNumber == EEXIST {
                throw route.conflict
            }
        }
    }

    private func create(_ route: Route) throws(SystemCallFailure) {
        _ = try socket.request(
            NetlinkConstant.newRoute,
            flags: NetlinkConstant.create | NetlinkConstant.exclusive,
            route.encoded(),
            what: "ip route add \(route.destination) table \(route.table)"
        )
    }

    private func delete(_ route: Route) throws(SystemCallFailure) -> Bool {
        do {
            _ = try socket.request(
                NetlinkConstant.deleteRoute,
                flags: 0,
                route.encoded(),
                what: "ip route delete \(route.destination) table \(route.table)"
            )
        } catch  where error.errorNumber == ESRCH || error.errorNumber == ENOENT {
        }
        return true
    }

    // MARK: What is there

    func ownRules() throws(SystemCallFailure) -> [RoutingRule] {
        try dump(NetlinkConstant.getRule, originProtocol: 0, what: "ip rule show")
            .compactMap { RoutingRule($0) }
    }

    /// The kernel shows routes of our protocol only, so that a full table costs nothing.
    private func ownRoutes() throws(SystemCallFailure) -> [Route] {
        try dump(
            NetlinkConstant.getRoute,
            originProtocol: NetlinkConstant.ownProtocol,
            what: "ip route show"
        ).compactMap { Route($0) }
    }

    private func dump(
        _ type: UInt16,
        originProtocol: UInt8,
        what: String
    ) throws(SystemCallFailure) -> [NetlinkMessage] {
        var result: [NetlinkMessage] = []
        for version in [IPVersion.v4, .v6] {
            var body = NetlinkEncoder()
            body.byte(version.addressFamily)
            for _ in 0..<4 { body.byte(0) }
            body.byte(originProtocol)
            for _ in 0..<6 { body.byte(0) }
            do {
                result += try socket.request(type, flags: NetlinkConstant.dump, body, what: what)
            } catch  where error.errorNumber == EAFNOSUPPORT || error.errorNumber == EOPNOTSUPP {
                // A kernel without IPv6 has none of its rules and routes.
            }
        }
        return result
    }
}
