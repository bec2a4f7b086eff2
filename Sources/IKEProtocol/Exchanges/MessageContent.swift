internal import IKEMessages
internal import IPsecPrimitives

/// The payloads of a message, by meaning. A class, because it is handed on often and never changes.
final class MessageContent {
    private(set) var securityAssociation: SecurityAssociationPayload?
    private(set) var keyExchange: KeyExchangePayload?
    private(set) var nonce: [UInt8]?
    private(set) var identificationInitiator: IdentificationPayload?
    private(set) var identificationResponder: IdentificationPayload?
    private(set) var authentication: AuthenticationPayload?
    private(set) var trafficSelectorInitiator: TrafficSelectorPayload?
    private(set) var trafficSelectorResponder: TrafficSelectorPayload?
    private(set) var puzzleSolution: PuzzleSolutionPayload?
    private(set) var configuration: ConfigurationPayload?
    private(set) var hasEAP = false
    private(set) var notifies: [NotifyPayload] = []
    private(set) var deletes: [DeletePayload] = []

    convenience init(of message: OpenedMessage) throws(MessageError) {
        var isRepeated = false
        self.init(try message.content.payloads(), &isRepeated)
        if isRepeated {
            throw .malformed(
                MalformedMessage(.limitExceeded("payloads of one type", limit: 1), at: 0)
            )
        }
    }

    /// Nil when a payload comes twice that may come once.
    convenience init?(_ payloads: [Payload]) {
        var isRepeated = false
        self.init(payloads, &isRepeated)
        if isRepeated { return nil }
    }

    /// - Parameter isRepeated: set when a payload comes twice that may come once.
    private init(_ payloads: [Payload], _ isRepeated: inout Bool) {
        // Of most messages most payloads are notifications.
        notifies.reserveCapacity(payloads.count { $0.type == .notify })
        // By index, which copies no payload but what is kept of it.
        for index in payloads.indices {
            switch payloads[index] {
            case .securityAssociation(let body):
                isRepeated = isRepeated || securityAssociation != nil
                securityAssociation = body
            case .keyExchange(let body):
                isRepeated = isRepeated || keyExchange != nil
                keyExchange = body
            case .nonce(let body):
                isRepeated = isRepeated || nonce != nil
                nonce = body.nonce
            case .identificationInitiator(let body):
                isRepeated = isRepeated || identificationInitiator != nil
                identificationInitiator = body
            case .identificationResponder(let body):
                isRepeated = isRepeated || identificationResponder != nil
                identificationResponder = body
            case .authentication(let body):
                isRepeated = isRepeated || authentication != nil
                authentication = body
            case .trafficSelectorInitiator(let body):
                isRepeated = isRepeated || trafficSelectorInitiator != nil
                trafficSelectorInitiator = body
            case .trafficSelectorResponder(let body):
                isRepeated = isRepeated || trafficSelectorResponder != nil
                trafficSelectorResponder = body
            case .notify(let body): notifies.append(body)
            case .delete(let body): deletes.append(body)
            case .puzzleSolution(let body):
                isRepeated = isRepeated || puzzleSolution != nil
                puzzleSolution = body
            case .extensibleAuthentication: hasEAP = true
            case .configuration(let body): configuration = configuration ?? body
            // Certificates and vendor IDs say nothing to a peer with shared keys; unknown payloads
            // are skipped (RFC 7296 §2.5).
            case .certificate, .certificateRequest, .vendorID, .unknown: break
            }
        }
    }

    func notify(_ type: NotifyType) -> NotifyPayload? {
        // By the number: the comparison of the type is a call into another module.
        for index in notifies.indices where notifies[index].type.rawValue == type.rawValue {
            return notifies[index]
        }
        return nil
    }

    var error: NotifyPayload? {
        notifies.first { $0.type.isError }
    }

    /// The method in an INVALID_KE_PAYLOAD (RFC 7296 §1.3).
    var wantedMethod: KeyExchangeMethod? {
        guard let notify = notify(.invalidKEPayload), notify.data.count == 2 else { return nil }
        return KeyExchangeMethod(rawValue: UInt16(notify.data[0]) << 8 | UInt16(notify.data[1]))
    }
}

extension NotifyPayload {
    static func invalidKE(wanted: KeyExchangeMethod) -> NotifyPayload {
        NotifyPayload(
            .invalidKEPayload,
            data: [UInt8(wanted.rawValue >> 8), UInt8(wanted.rawValue & 255)]
        )
    }
}
