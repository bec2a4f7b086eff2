package import IPsecPrimitives

/// One algorithm of a proposal with its attributes (RFC 7296 §3.3.2, §3.3.5).
package struct TransformSubstructure: Hashable, Sendable {
    package var type: TransformType
    package var identifier: UInt16
    package var attributes: [TransformAttribute]

    package init(type: TransformType, identifier: UInt16, attributes: [TransformAttribute]) {
        self.type = type
        self.identifier = identifier
        self.attributes = attributes
    }

    package init(_ transform: Transform) {
        type = transform.type
        identifier = transform.identifier
        attributes = transform.keyLengthBits.map { [.keyLength(bits: $0)] } ?? []
    }

    /// Its meaning; nil when an attribute is unknown or given twice.
    package var transform: Transform? {
        switch attributes.count {
        case 0: return Transform(type: type, identifier: identifier)
        case 1:
            guard case .short(type: TransformAttribute.keyLengthType, let bits) = attributes[0]
            else { return nil }
            return Transform(type: type, identifier: identifier, keyLengthBits: bits)
        default: return nil
        }
    }
}

/// An attribute of a transform: a type of 15 bits and a value (RFC 7296 §3.3.5).
package enum TransformAttribute: Hashable, Sendable {
    /// The form of two octets.
    case short(type: UInt16, value: UInt16)
    /// The form with a length.
    case long(type: UInt16, value: [UInt8])

    package static let keyLengthType: UInt16 = 14

    package static func keyLength(bits: UInt16) -> TransformAttribute {
        .short(type: keyLengthType, value: bits)
    }
}

// MARK: - Wire

extension TransformSubstructure {
    private static let more: UInt8 = 3
    static let headerOctets = 8

    init(reading reader: inout PayloadReader) throws(MalformedMessage) {
        let start = reader.offset
        let marker = try reader.readUInt8()
        _ = try reader.readUInt8()  // RESERVED: ignored.
        let length = Int(try reader.readUInt16())
        guard length >= TransformSubstructure.headerOctets else {
            throw reader.failure(
                .invalidLength(stated: length, expected: TransformSubstructure.headerOctets)
            )
        }
        var body = try reader.sub(length - 4)
        guard marker == (reader.isAtEnd ? 0 : TransformSubstructure.more) else {
            throw reader.failure(.invalidField("Last Substruc", value: UInt64(marker)), at: start)
        }
        type = TransformType(rawValue: try body.readUInt8())
        _ = try body.readUInt8()  // RESERVED: ignored.
        identifier = try body.readUInt16()
        attributes = []
        while !body.isAtEnd {
            try body.expect(
                attributes.count + 1,
                within: body.limits.transformAttributes,
                of: "transform attributes"
            )
            attributes.append(try TransformAttribute(reading: &body))
        }
    }

    func write(into writer: inout ByteWriter, isLast: Bool) {
        writer.write(isLast ? 0 : TransformSubstructure.more)
        writer.write(UInt8(0))
        writer.writeWithLength16(addingToLength: 2) { writer in
            writer.write(type.rawValue)
            writer.write(UInt8(0))
            writer.write(identifier)
            for attribute in attributes { attribute.write(into: &writer) }
        }
    }
}

extension TransformAttribute {
    private static let shortFormat: UInt16 = 0x8000

    init(reading reader: inout PayloadReader) throws(MalformedMessage) {
        let head = try reader.readUInt16()
        let type = head & ~TransformAttribute.shortFormat
        let lengthOrValue = try reader.readUInt16()
        if head & TransformAttribute.shortFormat != 0 {
            self = .short(type: type, value: lengthOrValue)
        } else {
            self = .long(type: type, value: Array(try reader.read(Int(lengthOrValue))))
        }
    }

    func write(into writer: inout ByteWriter) {
        switch self {
        case .short(let type, let value):
            writer.write(type | TransformAttribute.shortFormat)
            writer.write(value)
        case .long(let type, let value):
            writer.write(type & ~TransformAttribute.shortFormat)
            writer.write(UInt16(value.count))
            writer.write(value)
        }
    }
}
