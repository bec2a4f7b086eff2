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

    /// Status as `cygnet status --json` prints it: sorted keys, indented.
    package static func readableJSON(_ status: GatewayStatus) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return (try? encoder.encode(status)).flatMap { String(data: $0, encoding: .utf8) } ?? "{}"
    }

    private static func line(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf",
            negativeInfinity: "-inf",
            nan: "nan"
        )
        // Encoding plain structs of strings and numbers cannot fail once non-finite numbers have
        // a form.
        return Array((try? encoder.encode(value)) ?? Data("{}".utf8)) + [0x0A]
    }

    private static func value<Value: Decodable>(
        from line: [UInt8]
    ) throws(ManagementError) -> Value {
        do {
            return try JSONDecoder().decode(Value.self, from: Data(line))
        } catch {
            throw .malformed("\(error)")
        }
    }
}
