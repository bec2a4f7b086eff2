internal import IKEMessages
internal import IKEProtocol

/// What runs have reached, counted by kind and name.
package struct Coverage: Sendable {
    /// Things that come with nearly every event, under numbers: names are for those who read.
    private enum Registered: UInt32 {
        case exchange
        case notify
        case payload
        case unread
    }

    private var named: [String: Int] = [:]
    private var registered: [UInt32: Int] = [:]

    package init() {}

    package var counts: [String: Int] {
        var result = named
        for (key, count) in registered { result[Coverage.name(of: key), default: 0] += count }
        return result
    }

    mutating func count(_ kind: String, _ name: String) {
        named["\(kind) \(name)", default: 0] += 1
    }

    package mutating func merge(_ other: Coverage) {
        named.merge(other.named, uniquingKeysWith: +)
        registered.merge(other.registered, uniquingKeysWith: +)
    }

    package mutating func add(_ name: String, _ count: Int) { named[name, default: 0] += count }

    mutating func count(_ message: ReadMessage) {
        let exchange = UInt16(message.header.exchangeType.rawValue)
        count(.exchange, exchange, message)
        for payload in message.payloads ?? [] {
            switch payload {
            case .notify(let notify):
                count(.notify, notify.type.rawValue, message)
                if notify.type == .redirect {
                    count("redirect", "in \(message.header.exchangeType)")
                }
            case .delete(let delete):
                count("delete", delete.isIKESA ? "of an IKE SA" : "of Child SAs")
            default: count(.payload, UInt16(payload.type.rawValue), message)
            }
        }
        if message.payloads == nil { count(.unread, exchange, message) }
    }

    private mutating func count(_ kind: Registered, _ number: UInt16, _ message: ReadMessage) {
        let key = kind.rawValue << 24 | (message.header.isResponse ? 1 << 16 : 0) | UInt32(number)
        registered[key, default: 0] += 1
    }

    private static func name(of key: UInt32) -> String {
        let number = UInt16(truncatingIfNeeded: key)
        let way = key >> 16 & 1 == 1 ? "response" : "request"
        let exchange = ExchangeType(rawValue: UInt8(truncatingIfNeeded: number))
        return switch Registered(rawValue: key >> 24) {
        case .exchange?: "exchange \(exchange) \(way)"
        case .notify?: "notify \(NotifyType(rawValue: number)) in a \(way)"
        case .payload?: "payload \(PayloadType(rawValue: UInt8(truncatingIfNeeded: number)))"
        case .unread?, nil: "unread \(exchange)"
        }
    }

    mutating func count(_ report: IKEReport) {
        named[report.event.coverageName, default: 0] += 1
        switch report.event {
        case .initiationFailed(let failure): count("initiation failed", failure.subject.rawValue)
        case .refused(let failure): count("refused", failure.subject.rawValue)
        case .ikeSAClosed(.peerRestarted): count("closed", "by a proof of restart")
        default: break
        }
    }
}
