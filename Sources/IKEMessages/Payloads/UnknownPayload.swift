internal import IPsecPrimitives

/// A payload of a type that we do not know, and that its sender does not insist on.
///
/// RFC 7296 §2.5: it is skipped. One with the critical flag never gets here.
package struct UnknownPayload: Hashable, Sendable {
    package let type: PayloadType
    package let body: [UInt8]

    /// Precondition: `type` is none that `Payload` has a case for.
    package init(type: PayloadType, body: [UInt8]) {
        self.type = type
        self.body = body
    }

    func write(into writer: inout ByteWriter) {
        writer.write(body)
    }
}
