internal import IKEProtocol
internal import IPsecPrimitives

/// Where two ends cannot agree, each has to say why: the one that refuses exactly, the other all
/// that it can mean.
struct DiagnosisChecks {
    /// A refusal that nobody vouches for is believed so long after it came, at most.
    private static let patience: UInt64 = .seconds(10)

    private let scenario: Scenario
    private let isDamaging: Bool
    /// By peering: whether an end has named the cause.
    private(set) var isNamed: [Bool]
    /// By peering: whether somebody was refused at all since the faults ended.
    private(set) var isRefused: [Bool]
    /// By peering: when an end was last taken for another peer's.
    private var mistakenAt: [Int: UInt64] = [:]

    init(_ scenario: Scenario) {
        self.scenario = scenario
        isDamaging = scenario.conditions.contains {
            $0.corruptionPerMille + $0.truncationPerMille > 0
        }
        let count = (scenario.peerings.map(\.number).max() ?? -1) + 1
        isNamed = Array(repeating: false, count: count)
        isRefused = Array(repeating: false, count: count)
    }

    mutating func heard(_ report: IKEReport, at gateway: Int, _ now: UInt64) -> Violation? {
        // Attackers in the place of a peer are refused for reasons of their own, and can make an end
        // believe what they say as long as nothing is protected; so can damage.
        guard scenario.character != .hostile, !isDamaging,
            let peering = peering(of: report, at: gateway),
            let expected = peering.mismatch.expected
        else { return nil }
        func violation(_ text: String) -> Violation {
            Violation(
                checker: .diagnosis,
                text:
                    "g\(gateway), \(peering.name), mismatch \(peering.mismatch.rawValue): \(text)",
                time: now
            )
        }
        switch report.event {
        case .refused(let failure):
            // From an address that no connection names, more cannot be said.
            if report.connection == nil, failure.subject == .connection { return nil }
            if failure.subject == .trafficSelectors, lacksTunnel(peering, at: now) { return nil }
            // A ticket that is not taken is followed by all that it would have spared (RFC 5723 §4.3.2).
            if failure.subject == .resumption { return nil }
            if failure.subject == .encapsulation, isMistakable(peering, at: gateway) {
                mistakenAt[peering.number] = now
                return nil
            }
            isRefused[peering.number] = true
            guard expected.refusing.contains(failure.subject) else {
                return violation("refused because of \(failure.subject.rawValue)")
            }
            isNamed[peering.number] = true
        case .initiationFailed(let failure):
            if DiagnosisChecks.isTrouble(failure.subject) { return nil }
            let text = (failure.explanation + " " + failure.remedy).lowercased()
            // Whoever has moved is a stranger to peers that know it by its address.
            if failure.subject == .ikeProposal, wasAway(gateway, at: now), text.contains("address")
            {
                return nil
            }
            if failure.subject == .refusedByPeer, let mistaken = mistakenAt[peering.number],
                now <= mistaken + DiagnosisChecks.patience
            {
                return nil
            }
            // Who only sends others away compares nothing with them.
            if failure.subject == .refusedByPeer, isRedirecting(by: now),
                text.contains("the peer sends this end to")
            {
                return nil
            }
            if failure.subject == .trafficSelectors, lacksTunnel(peering, at: now) { return nil }
            guard expected.asking.contains(failure.subject) else {
                return violation("failed because of \(failure.subject.rawValue)")
            }
            guard expected.words.allSatisfy(text.contains) else {
                return violation("the true cause is not among those named: \(text)")
            }
        default: break
        }
        return nil
    }

    /// The peering that a report names, or else that of the gateway whose own address it is of: where
    /// several peers may come from anywhere, a first request means none of them for certain.
    private func peering(of report: IKEReport, at gateway: Int) -> PeeringPlan? {
        let own = scenario.peerings.filter { $0.gateways.contains(gateway) }
        if let name = report.connection { return own.first { $0.name == name } }
        // Who stands in for another comes, and is called, from that address in another peering.
        guard let address = report.remote?.address,
            scenario.peerings.allSatisfy(\.standIns.isEmpty)
        else { return nil }
        return own.first {
            scenario.gateways[$0.other(than: gateway)].publicAddress == address
        }
    }

    /// Whether a gateway is, or was when its request left, where nobody looks for it.
    private func wasAway(_ gateway: Int, at now: UInt64) -> Bool {
        scenario.faults.contains { fault in
            guard case .move(gateway) = fault.kind else { return false }
            return fault.time <= now && now <= fault.end + DiagnosisChecks.patience
        }
    }

    /// Whether a gateway may take the peer for another's, which wants another encapsulation, before the
    /// peer has said who it is: nothing tells its address, or a name does that is not known yet.
    private func isMistakable(_ peering: PeeringPlan, at gateway: Int) -> Bool {
        let end = peering.end(of: gateway)
        guard end.peerName != nil || !end.knowsPeer else { return false }
        return scenario.peerings.contains { other in
            other.number != peering.number && other.isEnd(gateway)
                && other.end(of: gateway).encapsulation != end.encapsulation
        }
    }

    /// Whether an end's configuration is, or was lately, without one of the tunnels, whose traffic it
    /// then refuses, whatever else does not fit.
    private func lacksTunnel(_ peering: PeeringPlan, at now: UInt64) -> Bool {
        scenario.faults.contains { fault in
            guard case .reload(_, peering: peering.number, .tunnel) = fault.kind else {
                return false
            }
            return fault.time <= now && now <= fault.end + DiagnosisChecks.patience
        }
    }

    /// Whether somebody sends others elsewhere, or has done so; who may be sent, another check judges.
    private func isRedirecting(by now: UInt64) -> Bool {
        scenario.faults.contains { fault in
            guard case .redirect = fault.kind else { return false }
            return fault.time <= now
        }
    }

    /// What a bad network does to any negotiation.
    private static func isTrouble(_ subject: NegotiationFailure.Subject) -> Bool {
        subject == .peerUnresponsive || subject == .connection
    }
}

extension Mismatch {
    struct Expected {
        /// What the end that refuses names.
        let refusing: Set<NegotiationFailure.Subject>
        /// What the other end can conclude.
        let asking: Set<NegotiationFailure.Subject>
        /// What its words must hold.
        let words: [String]
    }

    /// Nil where everything fits.
    var expected: Expected? {
        switch self {
        case .none: nil
        case .secret:
            Expected(refusing: [.secret], asking: [.secret, .refusedByPeer], words: ["secret"])
        case .ikeEncryption, .ikePRF, .ikeIntegrity, .ikeKeyExchange:
            // Before the peer has said who it is, another connection's proposal may be chosen.
            Expected(
                refusing: [.ikeProposal],
                asking: [.ikeProposal, .refusedByPeer],
                words: ["proposal"]
            )
        case .espEncryption, .espIntegrity, .espSequenceNumbers:
            Expected(refusing: [.childProposal], asking: [.childProposal], words: ["proposal"])
        case .localIdentity, .remoteIdentity:
            Expected(
                refusing: [.identity],
                asking: [.identity, .refusedByPeer],
                words: ["identit"]
            )
        case .header:
            Expected(refusing: [.childProposal], asking: [.childProposal], words: ["proposal"])
        case .headerInUDP:
            Expected(refusing: [.childProposal], asking: [.childProposal], words: [" nat"])
        case .mode:
            Expected(
                refusing: [.childMode],
                asking: [.childMode, .trafficSelectors],
                words: ["mode"]
            )
        case .selectors:
            Expected(
                refusing: [.trafficSelectors],
                asking: [.trafficSelectors],
                words: ["local", "remote"]
            )
        }
    }
}
