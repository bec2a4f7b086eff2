/// Bytes that are not what RFC 7296 §3 describes, with the place where they stop being that.
package struct MalformedMessage: Error, Hashable, Sendable {
    package enum Fault: Hashable, Sendable {
        /// More octets were wanted than are left.
        case truncated(needed: Int, available: Int)
        /// Octets are left where none may be.
        case trailing(count: Int)
        /// A length field that its own minimum or its surroundings rule out.
        case invalidLength(stated: Int, expected: Int)
        /// A count field that disagrees with what follows.
        case invalidCount(stated: Int, actual: Int)
        /// A field with a value that the RFC rules out; the name is the RFC's.
        case invalidField(String, value: UInt64)
        /// A payload that may not stand where it does.
        case misplacedPayload(PayloadType)
        /// More of something than `MessageLimits` allows.
        case limitExceeded(String, limit: Int)
    }

    package let fault: Fault
    /// The payload it lies in; nil for the header and for what holds the payloads together.
    package let payload: PayloadType?
    /// Octets from the beginning of the message, or of the plaintext of its Encrypted payload.
    package let offset: Int

    package init(_ fault: Fault, in payload: PayloadType? = nil, at offset: Int) {
        self.fault = fault
        self.payload = payload
        self.offset = offset
    }
}

extension MalformedMessage: CustomStringConvertible {
    package var description: String {
        let place = payload.map { "\($0) payload" } ?? "message"
        return "\(place), octet \(offset): \(fault)"
    }
}

extension MalformedMessage.Fault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .truncated(let needed, let available):
            "truncated: \(needed) octets needed, \(available) left"
        case .trailing(let count): "\(count) octets left over"
        case .invalidLength(let stated, let expected):
            "length field says \(stated), should be \(expected)"
        case .invalidCount(let stated, let actual):
            "count field says \(stated), there are \(actual)"
        case .invalidField(let name, let value): "\(name) may not be \(value)"
        case .misplacedPayload(let type): "\(type) may not stand here"
        case .limitExceeded(let name, let limit): "more than \(limit) \(name)"
        }
    }
}
