package import IPsecPrimitives

/// The traffic on one side of a Child SA (RFC 7296 §3.13).
package struct TrafficSelectorPayload: PayloadBody {
    package var entries: [TrafficSelectorSubstructure]

    /// Precondition: there are at most 255.
    package init(selectors: [TrafficSelector]) {
        entries = selectors.map(TrafficSelectorSubstructure.range)
    }

    package init(entries: [TrafficSelectorSubstructure]) {
        self.entries = entries
    }

    /// The address ranges, without selectors of types that we do not know.
    package var selectors: [TrafficSelector] {
        entries.compactMap { entry in
            if case .range(let selector) = entry { selector } else { nil }
        }
    }

    package init(reading reader: inout PayloadReader) throws(MalformedMessage) {
        let stated = Int(try reader.readUInt8())
        _ = try reader.read(3)  // RESERVED: ignored.
        try reader.expect(stated, within: reader.limits.trafficSelectors, of: "traffic selectors")
        entries = []
        while !reader.isAtEnd {
            guard entries.count < stated else {
                throw reader.failure(.invalidCount(stated: stated, actual: stated + 1))
            }
            entries.append(try TrafficSelectorSubstructure(reading: &reader))
        }
        // RFC 7296 §3.13: a payload holds one selector or more.
        guard entries.count == stated, stated > 0 else {
            throw reader.failure(.invalidCount(stated: stated, actual: entries.count))
        }
    }

    package func write(into writer: inout ByteWriter) {
        writer.write(UInt8(entries.count))
        writer.write(zeros: 3)
        for entry in entries { entry.write(into: &writer) }
    }
}

/// One selector (RFC 7296 §3.13.1).
package enum TrafficSelectorSubstructure: Hashable, Sendable {
    case range(TrafficSelector)
    /// Of a type that we do not know: what stands behind the length field, and the octet that
    /// holds the IP protocol in the types that we know.
    case unknown(type: TrafficSelectorType, ipProtocol: UInt8, body: [UInt8])
}

// MARK: - Wire

extension TrafficSelectorSubstructure {
    init(reading reader: inout PayloadReader) throws(MalformedMessage) {
        let type = TrafficSelectorType(rawValue: try reader.readUInt8())
        let ipProtocol = try reader.readUInt8()
        let length = Int(try reader.readUInt16())
        let addressOctets: Int
        switch type {
        case .ipv4AddressRange: addressOctets = 4
        case .ipv6AddressRange: addressOctets = 16
        default:
            guard length >= 4 else {
                throw reader.failure(.invalidLength(stated: length, expected: 4))
            }
            self = .unknown(
                type: type,
                ipProtocol: ipProtocol,
                body: Array(try reader.read(length - 4))
            )
            return
        }
        guard length == 8 + 2 * addressOctets else {
            throw reader.failure(.invalidLength(stated: length, expected: 8 + 2 * addressOctets))
        }
        let lower = try reader.readUInt16()
        let upper = try reader.readUInt16()
        let first = try reader.read(addressOctets)
        let last = try reader.read(addressOctets)
        guard let ports = TrafficSelectorSubstructure.ports(lower, upper) else {
            throw reader.failure(.invalidField("End Port", value: UInt64(upper)))
        }
        guard let first = IPAddress(bytes: first), let last = IPAddress(bytes: last),
            let selector = TrafficSelector(
                first: first,
                last: last,
                ipProtocol: ipProtocol,
                ports: ports
            )
        else {
            throw reader.failure(.invalidField("traffic selector range", value: UInt64(ipProtocol)))
        }
        self = .range(selector)
    }

    private static func ports(_ lower: UInt16, _ upper: UInt16) -> PortRange? {
        lower == .max && upper == 0 ? .opaque : PortRange(lower, through: upper)
    }

    func write(into writer: inout ByteWriter) {
        switch self {
        case .range(let selector):
            let type: TrafficSelectorType =
                selector.version == .v4 ? .ipv4AddressRange : .ipv6AddressRange
            writer.write(type.rawValue)
            writer.write(selector.ipProtocol)
            writer.writeWithLength16(addingToLength: 2) { writer in
                writer.write(selector.ports.lower)
                writer.write(selector.ports.upper)
                writer.write(selector.first)
                writer.write(selector.last)
            }
        case .unknown(let type, let ipProtocol, let body):
            writer.write(type.rawValue)
            writer.write(ipProtocol)
            writer.writeWithLength16(addingToLength: 2) { $0.write(body) }
        }
    }
}
