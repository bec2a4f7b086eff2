internal import IKEMessages
internal import IPsecPrimitives

/// How often a gateway begins anew: one whose peers refuse it, or are silent, may not flood them.
struct AttemptChecks {
    private static let span: UInt64 = .seconds(60)
    /// IKE SAs and Child SAs asked for within one virtual minute, for each peering of the gateway. Waits
    /// double from a second on, and begin with it again where faults and people interfere.
    private static let allowedPerPeering = (first: 60, child: 180)

    private struct Child: Hashable {
        let pair: SPIPair
        let number: UInt32
    }

    private struct Attempts {
        var minute: UInt64 = 0
        /// A request that is repeated, with a cookie or without, is the same attempt.
        var initiators: Set<IKESPI> = []
        var children: Set<Child> = []
    }

    private let peerings: [Int]
    private var attempts: [Attempts]

    init(_ scenario: Scenario) {
        peerings = scenario.gateways.map { gateway in
            scenario.peerings.count { $0.isEnd(gateway.index) }
        }
        attempts = Array(repeating: Attempts(), count: scenario.gateways.count)
    }

    mutating func sent(_ message: ReadMessage, by gateway: Int, _ now: UInt64) -> Violation? {
        guard !message.header.isResponse else { return nil }
        let minute = now / AttemptChecks.span
        if attempts[gateway].minute != minute { attempts[gateway] = Attempts(minute: minute) }
        let count = max(peerings[gateway], 1)
        switch message.header.exchangeType {
        case .ikeSAInit, .ikeSessionResume:
            attempts[gateway].initiators.insert(message.pair.initiator)
            let begun = attempts[gateway].initiators.count
            guard begun > AttemptChecks.allowedPerPeering.first * count else { return nil }
            return violation("has begun \(begun) IKE SAs", gateway, now)
        case .createChildSA where AttemptChecks.asksForNewChild(message):
            let child = Child(pair: message.pair, number: message.header.messageID)
            attempts[gateway].children.insert(child)
            let asked = attempts[gateway].children.count
            guard asked > AttemptChecks.allowedPerPeering.child * count else { return nil }
            return violation("has asked for \(asked) Child SAs", gateway, now)
        default: return nil
        }
    }

    private static func asksForNewChild(_ message: ReadMessage) -> Bool {
        for payload in message.payloads ?? [] {
            switch payload {
            case .notify(let notify) where notify.type == .rekeySA: return false
            case .securityAssociation(let offer)
            where offer.proposals.first?.securityProtocol == .ike:
                return false
            default: continue
            }
        }
        return true
    }

    private func violation(_ text: String, _ gateway: Int, _ now: UInt64) -> Violation {
        Violation(checker: .bounds, text: "g\(gateway) \(text) within a minute", time: now)
    }
}
