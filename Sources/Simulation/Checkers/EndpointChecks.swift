internal import IKEMessages
internal import IPsecPrimitives
internal import PacketProtection

/// Only what is new tells where a peer is: a message that a later one has overtaken, replayed or merely
/// late, moves no SA to where it comes from (RFC 7296 §2.23).
struct EndpointChecks {
    private struct Source: Hashable {
        let gateway: Int
        let pair: SPIPair
        let isResponse: Bool
        let isFromInitiator: Bool
    }

    private struct Latest {
        var number: UInt32
        var remote: Endpoint
    }

    /// Fingerprints of what gateways sent; nothing else is believed.
    private var genuine: Set<UInt64> = []
    private var latest: [Source: Latest] = [:]
    /// Where the datagram comes from that is being taken in, if it is an old one.
    private var past: Endpoint?

    mutating func sent(_ message: ReadMessage) {
        // RFC 4555 §3.5: nothing but another update is newer than one.
        for case .notify(let notify) in message.payloads ?? []
        where notify.type == .updateSAAddresses {
            return
        }
        genuine.insert(message.fingerprint)
    }

    /// A datagram is taken in, until `tookIn`.
    mutating func received(_ bytes: [UInt8], from remote: Endpoint, at gateway: Int) {
        past = nil
        guard let header = try? WireHeader(reading: bytes).header,
            genuine.contains(Fingerprint.of(bytes))
        else { return }
        let source = Source(
            gateway: gateway,
            pair: SPIPair(header),
            isResponse: header.isResponse,
            isFromInitiator: header.isFromOriginalInitiator
        )
        if let latest = latest[source], header.messageID < latest.number {
            // An answer that was overtaken by one from the same place still proves that place.
            if latest.remote != remote { past = remote }
        } else {
            latest[source] = Latest(number: header.messageID, remote: remote)
        }
    }

    mutating func tookIn() { past = nil }

    func moved(
        _ path: OuterPath,
        from before: OuterPath,
        at gateway: Int,
        _ now: UInt64
    ) -> Violation? {
        guard let past, path.remote == past, before.remote != past else { return nil }
        return Violation(
            checker: .paths,
            text: "g\(gateway) sends packets to \(past), from where a message came that another "
                + "had overtaken",
            time: now
        )
    }
}
