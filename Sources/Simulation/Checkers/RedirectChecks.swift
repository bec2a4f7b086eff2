internal import IKEMessages
internal import IKEProtocol
internal import IPsecPrimitives

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
    /// Where attackers could send an end who heard its nonce, and damage could.
    private var allowed: Set<String> = []
    private var times: [Follower: [UInt64]] = [:]

    init(_ scenario: Scenario) { self.scenario = scenario }

    mutating func allow(_ target: String) { allowed.insert(target) }

    /// What has become of a datagram on its way. Nothing protects the answer to a first request: of a
    /// REDIRECT in it whose nonce is whole the target is believed (RFC 5685 §3).
    mutating func damaged(_ datagram: WireDatagram, to result: WireDatagram) {
        guard datagram.bytes != result.bytes, let before = UnprotectedRedirect(datagram),
            let after = UnprotectedRedirect(result), before.nonce == after.nonce
        else { return }
        allow(after.target)
    }

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
            // At its first message an end may be taken for a peer of another connection, and is
            // then sent on like one by each gateway of the plan.
            let ofPeers = plan.steps.drop { step in
                peering?.others(than: gateway).contains(step.gateway) != true
            }
            return ofPeers.contains { $0.target == target || $0.target == "\"\(target)\"" }
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

/// A REDIRECT as anybody can read it on the wire (RFC 5685 §9.2).
private struct UnprotectedRedirect {
    let target: String
    let nonce: ArraySlice<UInt8>

    init?(_ datagram: WireDatagram) {
        guard let bytes = datagram.ikeMessage, let message = try? IKEMessage(reading: bytes) else {
            return nil
        }
        for case .notify(let notify) in message.payloads where notify.type == .redirect {
            let data = notify.data
            guard data.count >= 2, data.count >= 2 + Int(data[1]) else { return nil }
            let identity = data[2..<2 + Int(data[1])]
            let isName = data[0] == 3
            guard
                let text = isName
                    ? String(validating: identity, as: UTF8.self)
                    : IPAddress(bytes: identity)?.description
            else { return nil }
            target = text
            nonce = data[(2 + identity.count)...]
            return
        }
        return nil
    }
}
