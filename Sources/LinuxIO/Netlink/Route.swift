internal import IPsecPrimitives

/// One route of ours.
struct Route: Hashable {
    enum Target: Hashable {
        case device(index: UInt32)
        case unreachable
    }

    var table: UInt32
    /// Length 0 is the default route.
    var destination: IPPrefix
    var target: Target
    /// Of two routes to one destination the lower metric is in force.
    var metric: UInt32
    var preferredSource: IPAddress?

    /// What the kernel keeps one route for.
    struct Key: Hashable {
        var table: UInt32
        var destination: IPPrefix
        var metric: UInt32
    }

    var key: Key { Key(table: table, destination: destination, metric: metric) }
}

extension Route {
    enum Attribute {
        static let destination: UInt16 = 1
        static let outputInterface: UInt16 = 4
        static let gateway: UInt16 = 5
        static let metric: UInt16 = 6
        static let preferredSource: UInt16 = 7
        static let metrics: UInt16 = 8
        static let table: UInt16 = 15
        static let mark: UInt16 = 16
        /// Within `metrics`.
        static let mtu: UInt16 = 2
    }

    private static let unicast: UInt8 = 1
    private static let unreachable: UInt8 = 7
    private static let linkScope: UInt8 = 253

    /// The body of RTM_NEWROUTE and RTM_DELROUTE.
    func encoded() -> NetlinkEncoder {
        let isDevice = if case .device = target { true } else { false }
        var encoder = NetlinkEncoder()
        encoder.byte(destination.version.addressFamily)
        encoder.byte(UInt8(destination.length))
        encoder.byte(0)
        encoder.byte(0)
        // Tables above 255 are in the attribute only.
        encoder.byte(0)
        encoder.byte(NetlinkConstant.ownProtocol)
        encoder.byte(isDevice && destination.version == .v4 ? Route.linkScope : 0)
        encoder.byte(isDevice ? Route.unicast : Route.unreachable)
        encoder.number(UInt32(0))
        if destination.length > 0 {
            encoder.attribute(Attribute.destination, destination.address)
        }
        encoder.attribute(Attribute.table, table)
        encoder.attribute(Attribute.metric, metric)
        if case .device(let index) = target {
            encoder.attribute(Attribute.outputInterface, index)
        }
        if let preferredSource { encoder.attribute(Attribute.preferredSource, preferredSource) }
        return encoder
    }

    /// Nil when the route is not ours.
    init?(_ message: NetlinkMessage) {
        let body = message.body
        guard message.type == NetlinkConstant.newRoute, body.count >= 12,
            let version = IPVersion(addressFamily: body[body.startIndex]),
            body[body.startIndex + 5] == NetlinkConstant.ownProtocol
        else { return nil }
        let attributes = message.attributes(behind: 12)
        let address = attributes.address(Attribute.destination) ?? .unspecified(version)
        guard
            let destination = IPPrefix(
                address: address,
                length: Int(body[body.startIndex + 1])
            )
        else { return nil }
        self.destination = destination
        table =
            attributes.number(Attribute.table, as: UInt32.self)
            ?? UInt32(body[body.startIndex + 4])
        metric = attributes.number(Attribute.metric, as: UInt32.self) ?? 0
        preferredSource = attributes.address(Attribute.preferredSource)
        if body[body.startIndex + 7] == Route.unicast {
            target = .device(
                index: attributes.number(Attribute.outputInterface, as: UInt32.self) ?? 0
            )
        } else {
            target = .unreachable
        }
    }
}
