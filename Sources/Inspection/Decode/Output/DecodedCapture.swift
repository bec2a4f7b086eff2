/// What came of decoding an input; its JSON form is what `cygnet decode --json` prints.
package struct DecodedCapture: Encodable, Hashable, Sendable {
    package var frames: [DecodedFrame] = []
    /// Frames that hold neither IKE nor ESP.
    package var otherFrames = 0
    /// What kept a part of the input from being read.
    package var problems: [DecodedProblem] = []
}

/// Why something could not be read, and where.
package struct DecodedProblem: Encodable, Hashable, Sendable {
    package let reason: String
    /// Octets from the beginning of the message, of the decrypted content, or of the file.
    package let offset: Int?

    package init(_ reason: String, at offset: Int? = nil) {
        self.reason = reason
        self.offset = offset
    }
}

/// A frame that holds IKE or ESP.
package struct DecodedFrame: Encodable, Hashable, Sendable {
    package enum Kind: String, Encodable, Sendable {
        case ike, esp, keepalive, fragment
    }

    package let number: Int
    /// Seconds since the first frame, to the microsecond.
    package let time: String
    /// With the port where there is one; nothing for input that is a bare message.
    package let source: String?
    package let destination: String?
    package let kind: Kind
    package var ike: DecodedMessage?
    package var esp: DecodedPacket?
}

/// An IKE message.
package struct DecodedMessage: Encodable, Hashable, Sendable {
    package struct Header: Encodable, Hashable, Sendable {
        package let initiatorSPI: String
        package let responderSPI: String
        package let version: String
        package let exchange: String
        package let isResponse: Bool
        package let isFromOriginalInitiator: Bool
        package let messageID: UInt32
        /// What the length field says.
        package let octets: UInt32
    }

    package var header: Header?
    package var payloads: [DecodedPayload] = []
    package var encrypted: DecodedEncryption?
    package var problem: DecodedProblem?
}

/// An Encrypted or Encrypted Fragment payload.
package struct DecodedEncryption: Encodable, Hashable, Sendable {
    package enum State: String, Encodable, Sendable {
        case opened
        case noKey = "no key"
        case notAuthentic = "not authentic"
        /// Opened, and waiting for the other fragments.
        case incomplete
    }

    package let type: String
    package let octets: Int
    /// `2 of 3`, for fragments.
    package var fragment: String?
    package var state: State = .noKey
    package var cipher: String?
    package var payloads: [DecodedPayload] = []
    package var problem: DecodedProblem?
}

package struct DecodedPayload: Encodable, Hashable, Sendable {
    package let type: String
    /// With the generic header.
    package let octets: Int
    package let isCritical: Bool
    package var fields: [DecodedField] = []
    package var problem: DecodedProblem?
}

/// A name with a value, or with more fields below it.
package struct DecodedField: Encodable, Hashable, Sendable {
    package let name: String
    package var value: String?
    package var fields: [DecodedField]?

    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }

    package init(_ name: String, _ value: String? = nil, fields: [DecodedField]) {
        self.name = name
        self.value = value
        self.fields = fields
    }
}

/// An ESP packet.
package struct DecodedPacket: Encodable, Hashable, Sendable {
    package var spi: String?
    package var sequence: UInt32?
    package var octets: Int
    package var state: DecodedEncryption.State = .noKey
    package var cipher: String?
    package var nextHeader: String?
    package var padOctets: Int?
    /// The packet within, in one line.
    package var inner: String?
    package var problem: DecodedProblem?
}
