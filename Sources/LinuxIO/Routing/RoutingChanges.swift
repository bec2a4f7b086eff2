internal import Glibc
internal import IPsecPrimitives

/// Changes of rules and routes, of which each is made whatever became of those before.
struct RoutingChanges {
    /// How many were made.
    private(set) var count = 0
    private(set) var failures: [SystemCallFailure] = []
    /// Whether the kernel was booted without IPv6, which then neither needs rules nor has any way out.
    private(set) var lacksIPv6 = false
    /// Where the kernel speaks IPv6 all the same, it lacks policy routing alone, and what is refused is
    /// missing.
    private let kernel: any NetlinkRequests

    init(_ kernel: any NetlinkRequests) { self.kernel = kernel }

    /// - Parameter change: returns whether anything is different now.
    mutating func perform(
        for version: IPVersion,
        _ change: () throws(SystemCallFailure) -> Bool
    ) {
        if version == .v6, lacksIPv6 { return }
        do throws(SystemCallFailure) {
            if try change() { count += 1 }
        } catch {
            guard version == .v6, error.tellsThatFamilyIsMissing else {
                return failures.append(error)
            }
            guard kernel.speaksIPv6 else { return lacksIPv6 = true }
            var failure = error
            failure.remedy =
                "This kernel speaks IPv6 without policy routing, so nothing would keep IPv6 packets "
                + "in: use one with CONFIG_IPV6_MULTIPLE_TABLES, or boot it with ipv6.disable=1."
            failures.append(failure)
        }
    }

    /// All of them as one: the first, of those that are no conflict if there are any, and how many
    /// there were.
    var failure: SystemCallFailure? {
        guard var first = failures.first(where: { !$0.isRouteConflict }) ?? failures.first else {
            return nil
        }
        if failures.count > 1 {
            first.remedy +=
                " The kernel refused \(failures.count - 1) more of our rules and routes."
        }
        return first
    }
}

extension SystemCallFailure {
    /// Whether nothing else was refused than a route whose place somebody else's has.
    package var isRouteConflict: Bool { errorNumber == EEXIST && call.hasPrefix("ip route add") }

    /// What the kernel says of rules (the first), and of routes and addresses (the second) of an
    /// address family that it was booted without.
    var tellsThatFamilyIsMissing: Bool {
        errorNumber == EAFNOSUPPORT || errorNumber == EOPNOTSUPP
    }
}

extension Route {
    var version: IPVersion { destination.version }

    /// Whether a refusal leaves what the route is for unreachable, and is no fault: the device went
    /// down meanwhile, or does not speak IPv6.
    func isClosedWithout(_ failure: SystemCallFailure) -> Bool {
        guard case .device = target else { return false }
        switch failure.errorNumber {
        case ENETDOWN: return true
        case EACCES, ENODEV: return version == .v6
        default: return false
        }
    }

    /// What to tell where somebody else has a route with the same key.
    var conflict: SystemCallFailure {
        SystemCallFailure(
            call: "ip route add \(destination) metric \(metric) table \(table)",
            errorNumber: EEXIST,
            remedy: "Another program has a route to \(destination) with metric \(metric) there, "
                + "which stays as it is: give the tunnel another route-metric, or remove that route."
        )
    }
}
