internal import IKEProtocol

/// No end goes where none of its peers has sent it, nor too often (RFC 5685 §3, §7).
struct RedirectChecks {
    private struct Follower: Hashable {
        let gateway: Int
        let connection: String
    }

    /// MAX_REDIRECTS and REDIRECT_LOOP_DETECT_PERIOD of RFC 5685 §7, reckoned here anew.
    private static let limit = 5
    private static let period: UInt64 = .seconds(300)

    private let scenario: Scenario
    /// Where attackers could send an end who heard its nonce.
    private var allowed: Set<String> = []
    private var times: [Follower: [UInt64]] = [:]

    init(_ scenario: Scenario) { self.scenario = scenario }

    mutating func allow(_ target: String) { allowed.insert(target) }

    /// The process of a gateway is gone, and what it knew.
    mutating func forget(_ gateway: Int) {
        times = times.filter { $0.key.gateway != gateway }
    }

    mutating func heard(_ report: IKEReport, at gateway: Int, _ now: UInt64) -> Violation? {
        guard case .redirected(let target) = report.event else { return nil }
        let connection = report.connection ?? ""
        func violation(_ text: String) -> Violation {
            Violation(
                checker: .redirects,
                text: "g\(gateway), \(connection): it goes to \(target), \(text)",
                time: now
            )
        }
        let peering = scenario.peerings.first { $0.name == connection }
        if peering?.end(of: gateway).follows == false {
            return violation("and is to follow nobody")
        }
        let isPlanned = scenario.faults.contains { fault in
            guard case .redirect(let plan) = fault.kind else { return false }
            // At its first message an end may be taken for a peer of another connection.
            return plan.steps.contains { step in
                peering?.others(than: gateway).contains(step.gateway) ?? false
                    && (step.target == target || step.target == "\"\(target)\"")
            }
        }
        guard isPlanned || allowed.contains(target) else {
            return violation("where no peer has sent it")
        }
        let follower = Follower(gateway: gateway, connection: connection)
        var recent = (times[follower] ?? []).filter { now - $0 < RedirectChecks.period }
        recent.append(now)
        times[follower] = recent
        return recent.count > RedirectChecks.limit
            ? violation("the \(recent.count)th time in five minutes") : nil
    }
}
