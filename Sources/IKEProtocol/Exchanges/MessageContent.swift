internal import IKEMessages
internal import IPsecPrimitives

/// The payloads of a message, by meaning.
struct MessageContent {
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

    init(of message: OpenedMessage) throws(MessageError) {
        guard let content = MessageContent(try message.content.payloads()) else {
            throw .malformed(
                MalformedMessage(.limitExceeded("payloads of one type", limit: 1), at: 0)
            )
        }
        self = content
    }

    /// Nil when a payload comes twice that may come once.
    init?(_ payloads: [Payload]) {
        for payload in payloads {
            switch payload {
            case .securityAssociation(let body):
                guard securityAssociation == nil else { return nil }
                securityAssociation = body
            case .keyExchange(let body):
                guard keyExchange == nil else { return nil }
                keyExchange = body
            case .nonce(let body):
                guard nonce == nil else { return nil }
                nonce = body.nonce
            case .identificationInitiator(let body):
                guard identificationInitiator == nil else { return nil }
                identificationInitiator = body
            case .identificationResponder(let body):
                guard identificationResponder == nil else { return nil }
                identificationResponder = body
            case .authentication(let body):
                guard authentication == nil else { return nil }
                authentication = body
            case .trafficSelectorInitiator(let body):
                guard trafficSelectorInitiator == nil else { return nil }
                trafficSelectorInitiator = body
            case .trafficSelectorResponder(let body):
                guard trafficSelectorResponder == nil else { return nil }
                trafficSelectorResponder = body
            case .notify(let body): notifies.append(body)
            case .delete(let body): deletes.append(body)
            case .puzzleSolution(let body):
                guard puzzleSolution == nil else { return nil }
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
        notifies.first { $0.type == type }
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
