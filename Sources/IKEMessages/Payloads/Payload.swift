internal import IPsecPrimitives

/// A payload that may stand in a message, in clear or within the Encrypted payload.
package enum Payload: Hashable, Sendable {
    case securityAssociation(SecurityAssociationPayload)
    case keyExchange(KeyExchangePayload)
    case identificationInitiator(IdentificationPayload)
    case identificationResponder(IdentificationPayload)
    case certificate(CertificatePayload)
    case certificateRequest(CertificateRequestPayload)
    case authentication(AuthenticationPayload)
    case nonce(NoncePayload)
    case notify(NotifyPayload)
    case delete(DeletePayload)
    case vendorID(VendorIDPayload)
    case trafficSelectorInitiator(TrafficSelectorPayload)
    case trafficSelectorResponder(TrafficSelectorPayload)
    case configuration(ConfigurationPayload)
    case extensibleAuthentication(ExtensibleAuthenticationPayload)
    case puzzleSolution(PuzzleSolutionPayload)
    case unknown(UnknownPayload)

    package var type: PayloadType {
        switch self {
        case .securityAssociation: .securityAssociation
        case .keyExchange: .keyExchange
        case .identificationInitiator: .identificationInitiator
        case .identificationResponder: .identificationResponder
        case .certificate: .certificate
        case .certificateRequest: .certificateRequest
        case .authentication: .authentication
        case .nonce: .nonce
        case .notify: .notify
        case .delete: .delete
        case .vendorID: .vendorID
        case .trafficSelectorInitiator: .trafficSelectorInitiator
        case .trafficSelectorResponder: .trafficSelectorResponder
        case .configuration: .configuration
        case .extensibleAuthentication: .extensibleAuthentication
        case .puzzleSolution: .puzzleSolution
        case .unknown(let payload): payload.type
        }
    }
}

// MARK: - Wire

extension Payload {
    /// The payload in a link of the chain, which was cut from `bytes`.
    package init(
        reading link: PayloadLink,
        of bytes: ArraySlice<UInt8>,
        limits: MessageLimits
    ) throws(MessageError) {
        var reader = PayloadReader(bytes[link.body], payload: link.type, limits: limits)
        do {
            self = try Payload.body(link.type, reading: &reader)
            try reader.expectEnd()
        } catch {
            throw .malformed(error)
        }
        // RFC 7296 §2.5: "If the critical flag is set and the payload type is unrecognized, the
        // message MUST be rejected".
        if link.isCritical, case .unknown = self { throw .unsupportedCriticalPayload(link.type) }
    }

    private static func body(
        _ type: PayloadType,
        reading reader: inout PayloadReader
    ) throws(MalformedMessage) -> Payload {
        switch type {
        case .securityAssociation: .securityAssociation(try .init(reading: &reader))
        case .keyExchange: .keyExchange(try .init(reading: &reader))
        case .identificationInitiator: .identificationInitiator(try .init(reading: &reader))
        case .identificationResponder: .identificationResponder(try .init(reading: &reader))
        case .certificate: .certificate(try .init(reading: &reader))
        case .certificateRequest: .certificateRequest(try .init(reading: &reader))
        case .authentication: .authentication(try .init(reading: &reader))
        case .nonce: .nonce(try .init(reading: &reader))
        case .notify: .notify(try .init(reading: &reader))
        case .delete: .delete(try .init(reading: &reader))
        case .vendorID: .vendorID(try .init(reading: &reader))
        case .trafficSelectorInitiator: .trafficSelectorInitiator(try .init(reading: &reader))
        case .trafficSelectorResponder: .trafficSelectorResponder(try .init(reading: &reader))
        case .configuration: .configuration(try .init(reading: &reader))
        case .extensibleAuthentication: .extensibleAuthentication(try .init(reading: &reader))
        case .puzzleSolution: .puzzleSolution(try .init(reading: &reader))
        // Both close a message; `IKEMessage` takes them off the chain before it comes here.
        case .encrypted, .encryptedFragment: throw reader.failure(.misplacedPayload(type))
        default: .unknown(UnknownPayload(type: type, body: reader.readRest()))
        }
    }

    func writeBody(into writer: inout ByteWriter) {
        switch self {
        case .securityAssociation(let payload): payload.write(into: &writer)
        case .keyExchange(let payload): payload.write(into: &writer)
        case .identificationInitiator(let payload): payload.write(into: &writer)
        case .identificationResponder(let payload): payload.write(into: &writer)
        case .certificate(let payload): payload.write(into: &writer)
        case .certificateRequest(let payload): payload.write(into: &writer)
        case .authentication(let payload): payload.write(into: &writer)
        case .nonce(let payload): payload.write(into: &writer)
        case .notify(let payload): payload.write(into: &writer)
        case .delete(let payload): payload.write(into: &writer)
        case .vendorID(let payload): payload.write(into: &writer)
        case .trafficSelectorInitiator(let payload): payload.write(into: &writer)
        case .trafficSelectorResponder(let payload): payload.write(into: &writer)
        case .configuration(let payload): payload.write(into: &writer)
        case .extensibleAuthentication(let payload): payload.write(into: &writer)
        case .puzzleSolution(let payload): payload.write(into: &writer)
        case .unknown(let payload): payload.write(into: &writer)
        }
    }
}
