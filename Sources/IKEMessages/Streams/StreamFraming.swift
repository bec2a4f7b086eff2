internal import IPsecPrimitives

/// How IKE and ESP share one TCP stream (RFC 9329 §2, §3).
///
///     "IKETCP", then for each message: length (16 bits, which counts itself), and either the
///     non-ESP marker of four zeros and an IKE message, or an ESP packet.
package enum StreamFraming {
    /// What the originator of a connection sends first (RFC 9329 §4).
    package static let prefix: [UInt8] = [0x49, 0x4B, 0x45, 0x54, 0x43, 0x50]
    /// RFC 9329 §3.1: before an IKE message, as on port 4500.
    package static let marker: [UInt8] = [0, 0, 0, 0]
    static let lengthOctets = 2
    /// What a length of 16 bits leaves for the message and its marker.
    package static let longestContent = 65_535 - lengthOctets

    package enum Content: Hashable, Sendable {
        case message([UInt8])
        case packet([UInt8])
        /// RFC 9329 §6.6: one octet 0xFF, which says nothing.
        case keepalive
    }

    /// An IKE message with its length and marker; nil when it is too long for any stream.
    package static func frame(message: [UInt8]) -> [UInt8]? {
        frame(marker + message)
    }

    /// An ESP packet with its length; nil when it is too long for any stream, or could not be told
    /// from an IKE message.
    package static func frame(packet: [UInt8]) -> [UInt8]? {
        guard packet.count > 4, !packet.starts(with: marker) else { return nil }
        return frame(packet)
    }

    private static func frame(_ content: [UInt8]) -> [UInt8]? {
        guard content.count <= longestContent else { return nil }
        var writer = ByteWriter(reserving: content.count + lengthOctets)
        writer.write(UInt16(content.count + lengthOctets))
        writer.write(content)
        return writer.bytes
    }

    static func content(_ bytes: [UInt8]) -> Content? {
        if bytes == [0xFF] { return .keepalive }
        if bytes.starts(with: marker) {
            return bytes.count > marker.count ? .message(Array(bytes.dropFirst(4))) : nil
        }
        return bytes.count > 4 ? .packet(bytes) : nil
    }
}

/// Why a stream has to be closed: there is no way back into step (RFC 9329 §5, §8.1).
package enum StreamFault: Error, Hashable, Sendable {
    /// The first octets are not "IKETCP".
    case missingPrefix
    case invalidLength(Int)
    /// Content that is neither an IKE message nor an ESP packet.
    case invalidContent
}

/// Takes octets as they come from a stream, and gives what is complete.
package struct StreamReader: Sendable {
    private var buffer: [UInt8] = []
    private var start = 0
    private var awaitsPrefix: Bool
    private var fault: StreamFault?
    /// Content longer than this is a fault: what one stranger can make us keep must stay small.
    private let longestContent: Int

    /// - Parameters:
    ///   - expectsPrefix: whether the other end opened the stream (RFC 9329 §4: only "the TCP
    ///     Originator" sends the prefix).
    ///   - longestContent: octets of one message with its marker.
    package init(expectsPrefix: Bool, longestContent: Int = StreamFraming.longestContent) {
        awaitsPrefix = expectsPrefix
        self.longestContent = min(longestContent, StreamFraming.longestContent)
    }

    /// Octets that wait for their rest.
    package var pendingOctets: Int { buffer.count - start }

    /// Hands what waits to whoever reads on; nothing comes by this reader any more.
    package mutating func takePending() -> [UInt8] {
        defer {
            buffer = []
            start = 0
        }
        return Array(buffer[start...])
    }

    package mutating func append(_ octets: some Collection<UInt8>) {
        guard fault == nil else { return }
        if start > 0, start == buffer.count || start > 65_536 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: octets)
    }

    /// The next complete content; nil until more octets come. Throws again and again once the
    /// stream is out of step.
    package mutating func next() throws(StreamFault) -> StreamFraming.Content? {
        if let fault { throw fault }
        do {
            return try take()
        } catch {
            fault = error
            buffer = []
            start = 0
            throw error
        }
    }

    private mutating func take() throws(StreamFault) -> StreamFraming.Content? {
        if awaitsPrefix {
            let prefix = StreamFraming.prefix
            let common = min(prefix.count, pendingOctets)
            guard buffer[start..<start + common].elementsEqual(prefix.prefix(common)) else {
                throw .missingPrefix
            }
            guard common == prefix.count else { return nil }
            start += prefix.count
            awaitsPrefix = false
        }
        guard let length = pendingLength() else { return nil }
        // A length of zero or one cannot count itself.
        guard length > StreamFraming.lengthOctets,
            length - StreamFraming.lengthOctets <= longestContent
        else { throw .invalidLength(length) }
        guard pendingOctets >= length else { return nil }
        let bytes = Array(buffer[start + StreamFraming.lengthOctets..<start + length])
        start += length
        guard let content = StreamFraming.content(bytes) else { throw .invalidContent }
        return content
    }

    /// RFC 9329 §3: "Empty messages (where the Length field equals 2) MUST be silently ignored".
    private mutating func pendingLength() -> Int? {
        while pendingOctets >= StreamFraming.lengthOctets {
            let length = Int(buffer[start]) << 8 | Int(buffer[start + 1])
            guard length == StreamFraming.lengthOctets else { return length }
            start += length
        }
        return nil
    }
}
