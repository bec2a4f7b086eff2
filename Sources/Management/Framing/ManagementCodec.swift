internal import Foundation

/// Requests and replies as JSON, one a line.
package enum ManagementCodec {
    /// Longest line of a request, in bytes.
    package static let maximumRequestLength = 4096
    /// Longest line of a reply, in bytes.
    package static let maximumReplyLength = 16 << 20

    /// The line, ending in a newline.
    package static func encode(_ request: ManagementRequest) -> [UInt8] { line(request) }
    package static func encode(_ reply: ManagementReply) -> [UInt8] { line(reply) }

    /// - Parameter line: without its newline.
    package static func request(
        from line: [UInt8]
    ) throws(ManagementError) -> ManagementRequest { try value(from: line) }

    /// - Parameter line: without its newline.
    package static func reply(from line: [UInt8]) throws(ManagementError) -> ManagementReply {
        try value(from: line)
    }

    /// JSON for people and scripts, as `--json` prints it: indented, keys sorted.
    package static func readableJSON(_ value: some Encodable) -> String {
        let encoder = encoder
        encoder.outputFormatting.insert(.prettyPrinted)
        return String(decoding: (try? encoder.encode(value)) ?? Data("{}".utf8), as: UTF8.self)
    }

    /// JSON for scripts, on one line.
    package static func lineJSON(_ value: some Encodable) -> String {
        String(decoding: (try? encoder.encode(value)) ?? Data("{}".utf8), as: UTF8.self)
    }

    /// Strings and numbers always have a form: numbers that are not finite become words.
    private static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf",
            negativeInfinity: "-inf",
            nan: "nan"
        )
        return encoder
    }

    private static func line(_ value: some Encodable) -> [UInt8] {
        Array((try? encoder.encode(value)) ?? Data("{}".utf8)) + [0x0A]
    }

    private static func value<Value: Decodable>(
        from line: [UInt8]
    ) throws(ManagementError) -> Value {
        do {
            let decoder = JSONDecoder()
            decoder.nonConformingFloatDecodingStrategy = .convertFromString(
                positiveInfinity: "inf",
                negativeInfinity: "-inf",
                nan: "nan"
            )
            return try decoder.decode(Value.self, from: Data(line))
        } catch {
            throw .malformed(summary(of: error))
        }
    }

    /// The member that does not fit, without the decoder's innards.
    private static func summary(of error: any Error) -> String {
        let context: DecodingError.Context? =
            switch error as? DecodingError {
            case .dataCorrupted(let context), .keyNotFound(_, let context),
                .typeMismatch(_, let context), .valueNotFound(_, let context):
                context
            default: nil
            }
        guard let context else { return "not JSON" }
        let path = context.codingPath.map(\.stringValue).joined(separator: ".")
        return path.isEmpty ? context.debugDescription : "\(path): \(context.debugDescription)"
    }
}
