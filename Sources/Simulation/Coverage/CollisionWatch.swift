internal import IKEMessages
internal import IPsecPrimitives

/// Which requests of both ends of an IKE SA were under way at the same time.
struct CollisionWatch {
    /// What a request is for; in the order in which pairs of them are named.
    enum Purpose: String, CaseIterable {
        case childCreation = "child creation"
        case childRekey = "child rekey"
        case childDelete = "child delete"
        case ikeRekey = "IKE rekey"
        case ikeDelete = "IKE delete"
        case liveness
    }

    private struct End: Hashable {
        let pair: SPIPair
        let isInitiator: Bool
    }

    private var outstanding: [End: [UInt32: Purpose]] = [:]

    static var names: [String] {
        Purpose.allCases.indices.flatMap { left in
            Purpose.allCases[left...].map { name(Purpose.allCases[left], $0) }
        }
    }

    private static func name(_ left: Purpose, _ right: Purpose) -> String {
        "\(left.rawValue) against \(right.rawValue)"
    }

    mutating func sent(_ message: ReadMessage, _ coverage: inout Coverage) {
        let header = message.header
        guard !header.isResponse, let purpose = CollisionWatch.purpose(message) else { return }
        let end = End(pair: message.pair, isInitiator: header.isFromOriginalInitiator)
        guard outstanding[end]?[header.messageID] == nil else { return }
        outstanding[end, default: [:]][header.messageID] = purpose
        let other = End(pair: message.pair, isInitiator: !header.isFromOriginalInitiator)
        for crossing in (outstanding[other] ?? [:]).values.sorted(by: { $0.rank < $1.rank }) {
            let isFirst = purpose.rank <= crossing.rank
            coverage.count(
                "collision",
                isFirst
                    ? CollisionWatch.name(purpose, crossing)
                    : CollisionWatch.name(crossing, purpose)
            )
        }
    }

    mutating func received(_ header: MessageHeader) {
        guard header.isResponse else { return }
        let end = End(
            pair: SPIPair(header),
            isInitiator: !header.isFromOriginalInitiator
        )
        outstanding[end]?[header.messageID] = nil
    }

    private static func purpose(_ message: ReadMessage) -> Purpose? {
        guard let payloads = message.payloads else { return nil }
        switch message.header.exchangeType {
        case .createChildSA:
            for case .securityAssociation(let offer) in payloads
            where offer.proposals.first?.securityProtocol == .ike { return .ikeRekey }
            for case .notify(let notify) in payloads where notify.type == .rekeySA {
                return .childRekey
            }
            return .childCreation
        case .informational:
            for case .delete(let delete) in payloads {
                return delete.isIKESA ? .ikeDelete : .childDelete
            }
            return payloads.isEmpty ? .liveness : nil
        default: return nil
        }
    }
}

extension CollisionWatch.Purpose {
    fileprivate var rank: Int { CollisionWatch.Purpose.allCases.firstIndex(of: self) ?? 0 }
}
