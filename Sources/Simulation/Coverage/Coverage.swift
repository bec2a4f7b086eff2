internal import IKEMessages
internal import IKEProtocol

/// What runs have reached, counted by kind and name.
package struct Coverage: Sendable {
    package private(set) var counts: [String: Int] = [:]

    package init() {}

    mutating func count(_ kind: String, _ name: String) {
        counts["\(kind) \(name)", default: 0] += 1
    }

    package mutating func merge(_ other: Coverage) {
        counts.merge(other.counts, uniquingKeysWith: +)
    }

    package mutating func add(_ name: String, _ count: Int) { counts[name, default: 0] += count }

    mutating func count(_ message: ReadMessage) {
        let way = message.header.isResponse ? "response" : "request"
        count("exchange", "\(message.header.exchangeType) \(way)")
        for payload in message.payloads ?? [] {
            switch payload {
            case .notify(let notify): count("notify", "\(notify.type) in a \(way)")
            case .delete(let delete):
                count("delete", delete.isIKESA ? "of an IKE SA" : "of Child SAs")
            default: count("payload", "\(payload.type)")
            }
        }
        if message.payloads == nil { count("unread", "\(message.header.exchangeType)") }
    }

    mutating func count(_ report: IKEReport) {
        let name = String(describing: report.event).prefix { $0 != "(" }
        count("report", String(name))
        switch report.event {
        case .initiationFailed(let failure): count("initiation failed", failure.subject.rawValue)
        case .refused(let failure): count("refused", failure.subject.rawValue)
        default: break
        }
    }
}
