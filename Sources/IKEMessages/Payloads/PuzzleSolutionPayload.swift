package import IPsecPrimitives

/// Four keys that solve a puzzle (RFC 8019 §8.2).
package struct PuzzleSolutionPayload: PayloadBody {
    /// RFC 8019 §7.1.3: "the puzzle solution contains 4 different keys".
    package static let keyCount = 4
    /// More than any function prefers as a key.
    private static let longestOctets = 4 * 256

    package let data: [UInt8]

    /// The keys one behind the other; nil when there are none, or too many octets.
    package init?(data: [UInt8]) {
        guard !data.isEmpty, data.count <= PuzzleSolutionPayload.longestOctets else { return nil }
        self.data = data
    }

    /// The keys, of one length; nil when the octets do not come out even.
    package var keys: [[UInt8]]? {
        guard data.count % PuzzleSolutionPayload.keyCount == 0 else { return nil }
        let octets = data.count / PuzzleSolutionPayload.keyCount
        return (0..<PuzzleSolutionPayload.keyCount).map { index in
            Array(data[index * octets..<(index + 1) * octets])
        }
    }

    package init(reading reader: inout PayloadReader) throws(MalformedMessage) {
        guard (1...PuzzleSolutionPayload.longestOctets).contains(reader.remaining) else {
            throw reader.failure(.invalidField("solution length", value: UInt64(reader.remaining)))
        }
        data = reader.readRest()
    }

    package func write(into writer: inout ByteWriter) {
        writer.write(data)
    }
}
