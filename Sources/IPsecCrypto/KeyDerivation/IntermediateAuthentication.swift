internal import IPsecPrimitives

/// What the messages of IKE_INTERMEDIATE add to the octets that AUTH covers (RFC 9242 §3.3.2).
package struct IntermediateAuthentication: Hashable, Sendable {
    /// IntAuth_i and IntAuth_r so far; empty before the first exchange.
    package private(set) var initiator: [UInt8] = []
    package private(set) var responder: [UInt8] = []

    package init() {}

    /// Takes in one exchange.
    ///
    /// - Parameters:
    ///   - request: IntAuth_iA | IntAuth_iP, the message before it was encrypted, with lengths
    ///     that say so.
    ///   - response: the same of the responder's message.
    ///   - keys: those that protected both.
    package mutating func add(request: [UInt8], response: [UInt8], prf: PRF, keys: IKEKeys) {
        initiator = prf.compute(key: keys.authenticationInitiator, initiator, request).copy()
        responder = prf.compute(key: keys.authenticationResponder, responder, response).copy()
    }

    /// IntAuth = IntAuth_iN | IntAuth_rN | IKE_AUTH_MID; empty where no exchange took place.
    package func octets(authMessageID: UInt32) -> [UInt8] {
        guard !initiator.isEmpty else { return [] }
        var writer = ByteWriter(reserving: initiator.count + responder.count + 4)
        writer.write(initiator)
        writer.write(responder)
        writer.write(authMessageID)
        return writer.bytes
    }
}
