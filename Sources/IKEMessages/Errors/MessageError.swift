/// Why a message was refused, by what the other end is to be told.
package enum MessageError: Error, Hashable, Sendable {
    /// RFC 7296 §2.5: a higher one is answered with INVALID_MAJOR_VERSION, 1 is dropped.
    case unsupportedMajorVersion(UInt8)
    /// RFC 7296 §2.5: "the message MUST be rejected"; a request is answered with
    /// UNSUPPORTED_CRITICAL_PAYLOAD, whose data is the payload's type.
    case unsupportedCriticalPayload(PayloadType)
    /// RFC 7296 §2.21: answered with INVALID_SYNTAX where the message was authentic.
    case malformed(MalformedMessage)

    /// The notification that a request with this fault is answered with, where an answer is due;
    /// nil when it is to be dropped in any case.
    package var notify: NotifyPayload? {
        switch self {
        case .unsupportedMajorVersion(let version):
            // RFC 7296 §3.10.1: the data is the closest version that is supported, ours is 2.
            version > MessageHeader.majorVersion
                ? NotifyPayload(.invalidMajorVersion, data: [MessageHeader.majorVersion]) : nil
        case .unsupportedCriticalPayload(let type):
            NotifyPayload(.unsupportedCriticalPayload, data: [type.rawValue])
        case .malformed: NotifyPayload(.invalidSyntax)
        }
    }
}

extension MessageError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unsupportedMajorVersion(let version): "IKE version \(version) is not supported"
        case .unsupportedCriticalPayload(let type): "critical \(type) is not known"
        case .malformed(let malformed): malformed.description
        }
    }
}
