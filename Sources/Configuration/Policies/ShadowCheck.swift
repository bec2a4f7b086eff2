internal import IPsecPrimitives

/// Warns of policies that no packet reaches, because an earlier one covers all of it.
enum ShadowCheck {
    /// Each selector is compared with each: enough for what is written by hand, and no more.
    private static let selectorLimit = 5000

    static func run(_ policies: [PolicyConfiguration], _ problems: Problems) {
        var selectors = 0
        for (index, policy) in policies.enumerated() {
            selectors += policy.local.count + policy.remote.count
            guard selectors <= selectorLimit else { return }
            guard let earlier = policies[..<index].first(where: { covers($0, policy) }) else {
                continue
            }
            problems.warning(
                at: policy.location,
                "\(name(policy)) is never reached: \(name(earlier)) on line "
                    + "\(earlier.location.line) covers all of it",
                hint: "move it up, by naming it earlier in policies, or remove it"
            )
        }
    }

    /// A policy combines each local with each remote selector, so that covering each side is
    /// covering the whole.
    private static func covers(
        _ earlier: PolicyConfiguration,
        _ later: PolicyConfiguration
    ) -> Bool {
        later.local.allSatisfy { near in earlier.local.contains { $0.covers(near) } }
            && later.remote.allSatisfy { far in earlier.remote.contains { $0.covers(far) } }
    }

    private static func name(_ policy: PolicyConfiguration) -> String {
        switch policy.action {
        case .protect(let path): "tunnel \"\(path)\""
        case .bypass: "the bypass"
        case .discard: "the discard"
        }
    }
}
