package import IPsecPrimitives

/// A payload without its generic header: a meaning and, beside it, its wire form.
package protocol PayloadBody: Hashable, Sendable {
    /// Reads the whole body: what is left over is a fault.
    init(reading reader: inout PayloadReader) throws(MalformedMessage)

    /// Writes what `init(reading:)` would read. Precondition: it fits in a payload, 65,531 octets.
    func write(into writer: inout ByteWriter)
}
