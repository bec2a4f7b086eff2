package import IPsecPrimitives

/// Settings that one end asks of the other or gives it (RFC 7296 §3.15).
package struct ConfigurationPayload: PayloadBody {
    package struct Attribute: Hashable, Sendable {
        /// 15 bits.
        package var type: ConfigurationAttributeType
        package var value: [UInt8]

        package init(type: ConfigurationAttributeType, value: [UInt8]) {
            self.type = type
            self.value = value
        }
    }

    package var type: ConfigurationType
    package var attributes: [Attribute]

    package init(type: ConfigurationType, attributes: [Attribute]) {
        self.type = type
        self.attributes = attributes
    }

    package init(reading reader: inout PayloadReader) throws(MalformedMessage) {
        type = ConfigurationType(rawValue: try reader.readUInt8())
        _ = try reader.read(3)  // RESERVED: ignored.
        attributes = []
        while !reader.isAtEnd {
            try reader.expect(
                attributes.count + 1,
                within: reader.limits.configurationAttributes,
                of: "configuration attributes"
            )
            // The highest bit is reserved and ignored (RFC 7296 §3.15.1).
            let type = ConfigurationAttributeType(rawValue: try reader.readUInt16() & 0x7fff)
            let octets = Int(try reader.readUInt16())
            attributes.append(Attribute(type: type, value: Array(try reader.read(octets))))
        }
    }

    package func write(into writer: inout ByteWriter) {
        writer.write(type.rawValue)
        writer.write(zeros: 3)
        for attribute in attributes {
            writer.write(attribute.type.rawValue & 0x7fff)
            writer.write(UInt16(attribute.value.count))
            writer.write(attribute.value)
        }
    }
}
