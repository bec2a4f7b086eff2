internal import IPsecPrimitives

/// One rule that chooses a routing table (`ip rule`).
struct RoutingRule: Hashable {
    enum Action: Hashable {
        case lookup(table: UInt32)
        /// Go on at the rule with this priority.
        case goTo(priority: UInt32)
        /// Do nothing: a place to go to.
        case nothing
        case prohibit
        case unreachable
    }

    var version: IPVersion
    var priority: UInt32
    var action: Action
    /// `Prefix 0.0.0.0/32` matches packets whose source is not chosen yet.
    var source: IPPrefix?
    var destination: IPPrefix?
    var inputInterface: String?
    var mark: PacketMark?
    var ipProtocol: UInt8 = 0
    var sourcePorts: PortRange = .any
    var destinationPorts: PortRange = .any
}

extension RoutingRule {
    private enum Attribute {
        static let destination: UInt16 = 1
        static let source: UInt16 = 2
        static let inputInterface: UInt16 = 3
        static let goTo: UInt16 = 4
        static let priority: UInt16 = 6
        static let mark: UInt16 = 10
        static let table: UInt16 = 15
        static let markMask: UInt16 = 16
        static let originProtocol: UInt16 = 21
        static let ipProtocol: UInt16 = 22
        static let sourcePorts: UInt16 = 23
        static let destinationPorts: UInt16 = 24
    }

    private var actionNumber: UInt8 {
        switch action {
        case .lookup: 1
        case .goTo: 2
        case .nothing: 3
        case .unreachable: 7
        case .prohibit: 8
        }
    }

    /// The body of RTM_NEWRULE and RTM_DELRULE.
    func encoded() -> NetlinkEncoder {
        var encoder = NetlinkEncoder()
        encoder.byte(version.addressFamily)
        encoder.byte(UInt8(destination?.length ?? 0))
        encoder.byte(UInt8(source?.length ?? 0))
        encoder.byte(0)
        // Tables above 255 are in the attribute only.
        encoder.byte(0)
        encoder.number(UInt16(0))
        encoder.byte(actionNumber)
        encoder.number(UInt32(0))
        encoder.attribute(Attribute.priority, priority)
        encoder.attribute(Attribute.originProtocol, NetlinkConstant.ownProtocol)
        switch action {
        case .lookup(let table): encoder.attribute(Attribute.table, table)
        case .goTo(let target): encoder.attribute(Attribute.goTo, target)
        case .nothing, .prohibit, .unreachable: break
        }
        if let source, source.length > 0 { encoder.attribute(Attribute.source, source.address) }
        if let destination, destination.length > 0 {
            encoder.attribute(Attribute.destination, destination.address)
        }
        if let inputInterface { encoder.attribute(Attribute.inputInterface, inputInterface) }
        if let mark {
            encoder.attribute(Attribute.mark, mark.value)
            encoder.attribute(Attribute.markMask, mark.mask)
        }
        if ipProtocol != 0 { encoder.attribute(Attribute.ipProtocol, ipProtocol) }
        for (type, ports) in [
            (Attribute.sourcePorts, sourcePorts), (Attribute.destinationPorts, destinationPorts),
        ] where !ports.isAny {
            encoder.attribute(type, bytes: RoutingRule.encoded(ports))
        }
        return encoder
    }

    private static func encoded(_ ports: PortRange) -> [UInt8] {
        var encoder = NetlinkEncoder()
        encoder.number(ports.lower)
        encoder.number(ports.upper)
        return encoder.bytes
    }

    /// Nil when the rule is not ours.
    init?(_ message: NetlinkMessage) {
        let body = message.body
        guard message.type == NetlinkConstant.newRule, body.count >= 12,
            let version = IPVersion(addressFamily: body[body.startIndex])
        else { return nil }
        let attributes = message.attributes(behind: 12)
        guard
            attributes.number(Attribute.originProtocol, as: UInt8.self)
                == NetlinkConstant.ownProtocol
        else { return nil }
        self.version = version
        priority = attributes.number(Attribute.priority, as: UInt32.self) ?? 0
        switch body[body.startIndex + 7] {
        case 1: action = .lookup(table: attributes.number(Attribute.table, as: UInt32.self) ?? 0)
        case 2: action = .goTo(priority: attributes.number(Attribute.goTo, as: UInt32.self) ?? 0)
        case 7: action = .unreachable
        case 8: action = .prohibit
        default: action = .nothing
        }
        func prefix(_ type: UInt16, lengthAt offset: Int) -> IPPrefix? {
            attributes.address(type).flatMap {
                IPPrefix(address: $0, length: Int(body[body.startIndex + offset]))
            }
        }
        destination = prefix(Attribute.destination, lengthAt: 1)
        source = prefix(Attribute.source, lengthAt: 2)
        inputInterface = attributes.text(Attribute.inputInterface)
        if let value = attributes.number(Attribute.mark, as: UInt32.self) {
            let mask = attributes.number(Attribute.markMask, as: UInt32.self) ?? .max
            mark = value == 0 && mask == 0 ? nil : PacketMark(value: value, mask: mask)
        }
        ipProtocol = attributes.number(Attribute.ipProtocol, as: UInt8.self) ?? 0
        sourcePorts = RoutingRule.ports(attributes[Attribute.sourcePorts])
        destinationPorts = RoutingRule.ports(attributes[Attribute.destinationPorts])
    }

    private static func ports(_ value: ArraySlice<UInt8>?) -> PortRange {
        guard let value, let lower = value.number(at: 0, as: UInt16.self),
            let upper = value.number(at: 2, as: UInt16.self)
        else { return .any }
        return PortRange(lower, through: upper) ?? .any
    }
}

extension IPVersion {
    /// AF_INET or AF_INET6.
    var addressFamily: UInt8 { self == .v4 ? 2 : 10 }

    init?(addressFamily: UInt8) {
        switch addressFamily {
        case 2: self = .v4
        case 10: self = .v6
        default: return nil
        }
    }
}

extension RoutingRule {
    var leadsSomewhere: Bool {
        if case .goTo = action { return true }
        return false
    }

    /// Whether the kernel may take another rule for this one: it compares only what that one names.
    func hasPlace(of other: RoutingRule) -> Bool {
        version == other.version && priority == other.priority
            && withoutTarget.action == other.withoutTarget.action
    }

    /// The same with no place to lead to.
    var withoutTarget: RoutingRule {
        var rule = self
        if leadsSomewhere { rule.action = .goTo(priority: 0) }
        return rule
    }
}
