internal import IPsecPrimitives

/// Reads one payload's body; what fails carries the payload's type and the place.
package struct PayloadReader {
    private var reader: ByteReader
    package let payload: PayloadType?
    package let limits: MessageLimits

    package init(
        _ bytes: ArraySlice<UInt8>,
        payload: PayloadType? = nil,
        limits: MessageLimits = .standard
    ) {
        reader = ByteReader(bytes)
        self.payload = payload
        self.limits = limits
    }

    package var offset: Int { reader.offset }
    package var remaining: Int { reader.remaining }
    package var isAtEnd: Bool { reader.isAtEnd }

    package mutating func readUInt8() throws(MalformedMessage) -> UInt8 {
        do { return try reader.readUInt8() } catch { throw located(error) }
    }

    package mutating func readUInt16() throws(MalformedMessage) -> UInt16 {
        do { return try reader.readUInt16() } catch { throw located(error) }
    }

    package mutating func readUInt32() throws(MalformedMessage) -> UInt32 {
        do { return try reader.readUInt32() } catch { throw located(error) }
    }

    package mutating func readUInt64() throws(MalformedMessage) -> UInt64 {
        do { return try reader.readUInt64() } catch { throw located(error) }
    }

    package mutating func read(_ count: Int) throws(MalformedMessage) -> ArraySlice<UInt8> {
        do { return try reader.read(count) } catch { throw located(error) }
    }

    /// Where the next `count` octets stand in what the reader was made from; skips them.
    package mutating func skip(_ count: Int) throws(MalformedMessage) -> Range<Int> {
        do { return try reader.skip(count) } catch { throw located(error) }
    }

    package mutating func readRest() -> [UInt8] { Array(reader.readRest()) }

    /// A reader confined to the next `count` octets, which this one skips.
    package mutating func sub(_ count: Int) throws(MalformedMessage) -> PayloadReader {
        PayloadReader(try read(count), payload: payload, limits: limits)
    }

    package func expectEnd() throws(MalformedMessage) {
        do { try reader.expectEnd() } catch { throw located(error) }
    }

    /// Fails when `count` is above `limit`; `name` is the plural of what is counted.
    package func expect(_ count: Int, within limit: Int, of name: String) throws(MalformedMessage) {
        if count > limit { throw failure(.limitExceeded(name, limit: limit)) }
    }

    /// The fault at the current place, or at another.
    package func failure(
        _ fault: MalformedMessage.Fault,
        at place: Int? = nil
    ) -> MalformedMessage {
        MalformedMessage(fault, in: payload, at: place ?? offset)
    }

    private func located(_ error: ByteReader.Failure) -> MalformedMessage {
        switch error {
        case .truncated(let needed, let available):
            failure(.truncated(needed: needed, available: available))
        case .trailing(let count): failure(.trailing(count: count))
        }
    }
}
