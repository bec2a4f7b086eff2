package import IPsecPrimitives

/// What the packet path would do with a packet that somebody asks about, at one moment.
package struct PacketAnswer: Hashable, Sendable {
    package enum Decision: String, Hashable, Sendable {
        case protect
        /// Protect, and no SA covers it yet.
        case acquire
        case discard
        case bypass
        case noPolicy
        case routedIntoItself
        /// Another worker has the policy's SAs, and knows better.
        case anotherWorkers
    }

    /// An SA that would take it.
    package struct Association: Hashable, Sendable {
        package var identifier: SAIdentifier
        package var policy: PolicyIdentifier
        package var spi: SPI
        package var path: OuterPath
        package var packets: UInt64
        /// The last number sent, or the highest received.
        package var sequence: UInt64
        /// The largest inner packet in octets, outbound; 0 inbound.
        package var tunnelMTU: Int
        /// Of the packets that it is for, among SAs of the same traffic; empty: the others.
        package var codePoints = CodePointSet()
    }

    package var isOutbound: Bool
    /// Of the outbound direction.
    package var decision: Decision?
    package var policy: PolicyIdentifier?
    /// Whether the flow is remembered: such a packet passed lately.
    package var isRemembered = false
    /// Packets that wait for an SA of the policy.
    package var heldPackets = 0
    /// Outbound the SA that it would take; inbound those that would let it in, a few of them.
    package var associations: [Association] = []

    package init(isOutbound: Bool) {
        self.isOutbound = isOutbound
    }

    /// Inbound SAs that are told of.
    package static let limit = 8
}

// A question costs a search, and changes nothing: not even what is remembered of flows.
extension OutboundProcessor {
    func answer(_ tuple: PacketTuple) -> PacketAnswer {
        var answer = PacketAnswer(isOutbound: true)
        guard let packet = unsafe ImaginedPacket.write(tuple, to: scratch) else { return answer }
        answer.isRemembered = cache.find(packet) != nil
        let decision = search(packet)
        answer.decision =
            switch decision.kind {
            case .protect: .protect
            case .acquire: .acquire
            case .discard: .discard
            case .bypass: .bypass
            case .noPolicy: .noPolicy
            case .routedIntoItself: .routedIntoItself
            case .handOver: .anotherWorkers
            }
        if decision.policy >= 0 {
            let policy = unsafe database.policies + Int(decision.policy)
            answer.policy = PolicyIdentifier(rawValue: unsafe policy.pointee.identifier)
            answer.heldPackets = Int(unsafe policy.pointee.heldPackets)
        }
        if decision.kind == .protect {
            let association = unsafe associations.elements[Int(decision.slot)]
            var taken = PacketAnswer.Association(
                association.snapshot,
                tunnelMTU: association.tunnelMTU
            )
            taken.codePoints = association.codePoints
            answer.associations = [taken]
        }
        return answer
    }
}

extension InboundProcessor {
    func answer(_ tuple: PacketTuple) -> PacketAnswer {
        var answer = PacketAnswer(isOutbound: false)
        guard let packet = unsafe ImaginedPacket.write(tuple, to: scratch) else { return answer }
        for slot in associations.slotsInUse {
            let association = unsafe associations.elements + slot
            guard unsafe association.pointee.selectors.matchesInbound(packet) else { continue }
            answer.associations.append(
                PacketAnswer.Association(unsafe association.pointee.snapshot, tunnelMTU: 0)
            )
            if answer.associations.count == PacketAnswer.limit { break }
        }
        return answer
    }
}

extension PacketAnswer.Association {
    fileprivate init(_ snapshot: SASnapshot, tunnelMTU: Int) {
        self.init(
            identifier: snapshot.identifier,
            policy: snapshot.policy,
            spi: snapshot.spi,
            path: snapshot.path,
            packets: snapshot.packets,
            sequence: snapshot.sequence,
            tunnelMTU: tunnelMTU
        )
    }
}

/// A packet that looks to the packet path as one of the tuple would.
private enum ImaginedPacket {
    private static let payload = 8

    /// - Parameter bytes: has room for 64 octets.
    static func write(_ tuple: PacketTuple, to bytes: UnsafeMutableRawPointer) -> InnerPacket? {
        guard tuple.source.version == tuple.destination.version else { return nil }
        let isV4 = tuple.source.version == .v4
        let ports = tuple.sourcePort.flatMap { near in tuple.destinationPort.map { (near, $0) } }
        // What shows no ports is a fragment behind the first.
        let isFragment = ports == nil
        let header = isV4 ? 20 : isFragment ? 48 : 40
        unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0, count: header + payload)
        if isV4 {
            unsafe bytes.write8(0x45, 0)
            unsafe bytes.write8(tuple.codePoint << 2, 1)
            unsafe bytes.write16(UInt16(header + payload), 2)
            unsafe bytes.write16(isFragment ? 1 : 0, 6)
            unsafe bytes.write8(tuple.ipProtocol, 9)
            unsafe bytes.write32(UInt32(truncatingIfNeeded: tuple.source.bits), 12)
            unsafe bytes.write32(UInt32(truncatingIfNeeded: tuple.destination.bits), 16)
        } else {
            unsafe bytes.write16(0x6000 | UInt16(tuple.codePoint) << 6, 0)
            unsafe bytes.write16(UInt16(header - 40 + payload), 4)
            unsafe bytes.write8(isFragment ? 44 : tuple.ipProtocol, 6)
            unsafe bytes.write128(tuple.source.bits, 8)
            unsafe bytes.write128(tuple.destination.bits, 24)
            if isFragment {
                unsafe bytes.write8(tuple.ipProtocol, 40)
                unsafe bytes.write16(8, 42)
            }
        }
        if let ports {
            switch tuple.ipProtocol {
            // Type and code stand where a source port does.
            case 1, 58: unsafe bytes.write16(ports.0, header)
            // RFC 6275 §6.1.1: the type of a Mobility Header is its third octet.
            case 135: unsafe bytes.write8(UInt8(ports.0 >> 8), header + 2)
            default:
                unsafe bytes.write16(ports.0, header)
                unsafe bytes.write16(ports.1, header + 2)
            }
        }
        return unsafe InnerPacket(bytes, available: header + payload)
    }
}
