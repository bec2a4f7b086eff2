internal import Configuration
internal import ConnectionControl
internal import DataPlane
internal import Foundation
internal import IPsecPrimitives
internal import Management
internal import PacketProtection

/// Puts what a worker noted into the terms of the configuration.
struct TraceTranslation {
    let controller: ConnectionController
    /// Names of the devices.
    let devices: [UInt16: String]
    /// Seconds from the worker's clock to 1970, UTC.
    let clockOffset: Double

    func entry(_ entry: TraceRing.Entry, worker: Int) -> TraceEntry {
        let record = entry.record
        var result = TraceEntry(
            time: clockOffset + Double(record.time) / 1e9,
            direction: record.direction == .outbound ? .outbound : .inbound,
            worker: worker,
            device: isAtDevice(record) ? devices[record.device] : nil,
            packet: packet(record),
            policy: record.hasPolicy ? policy(record) : nil,
            protection: protection(record),
            path: record.hasPath ? path(record) : nil,
            outcome: outcome(record.outcome)
        )
        if record.outcome == .dropped { result.reason = record.reason.map { "\($0)" } }
        if record.heldFor > 0 { result.heldSeconds = Double(record.heldFor) / 1e9 }
        if !entry.octets.isEmpty {
            result.octets = Data(entry.octets).base64EncodedString()
            if record.outcome == .datagram, record.hasOuterHeader { result.hasOuterHeader = true }
        }
        return result
    }

    private func isAtDevice(_ record: TraceRecord) -> Bool {
        record.direction == .outbound || record.outcome == .opened
    }

    private func packet(_ record: TraceRecord) -> TraceEntry.Packet? {
        guard record.hasInner else { return nil }
        let isICMP = record.ipProtocol == 1 || record.ipProtocol == 58
        let hasTypes = isICMP || record.ipProtocol == 135
        let ports = record.hasPorts && !hasTypes
        let message = record.hasPorts && hasTypes
        return TraceEntry.Packet(
            source: "\(record.sourceAddress)",
            destination: "\(record.destinationAddress)",
            protocol: IPProtocolName.name(of: record.ipProtocol),
            sourcePort: ports ? record.sourcePort : nil,
            destinationPort: ports ? record.destinationPort : nil,
            icmpType: message ? UInt8(record.sourcePort >> 8) : nil,
            icmpCode: message && isICMP ? UInt8(truncatingIfNeeded: record.sourcePort) : nil,
            isFragment: record.isFragment ? true : nil,
            dscp: record.trafficClass >> 2,
            octets: Int(record.innerOctets)
        )
    }

    private func policy(_ record: TraceRecord) -> TraceEntry.Policy? {
        let identifier = PolicyIdentifier(rawValue: record.policy)
        return controller.origin(of: identifier).map(TraceEntry.Policy.init)
    }

    private func protection(_ record: TraceRecord) -> TraceEntry.Protection? {
        guard record.hasSA || record.spi != 0 || record.isAuthenticationHeader else { return nil }
        let known = record.hasSA
        return TraceEntry.Protection(
            protocol: record.isAuthenticationHeader ? "ah" : "esp",
            mode: known ? (record.isTransport ? "transport" : "tunnel") : nil,
            spi: record.spi == 0 ? nil : "\(SPI(rawValue: record.spi))",
            sequence: record.sequence == 0 ? nil : record.sequence,
            datagrams: Int(record.datagrams),
            octets: Int(record.outerOctets),
            limit: record.limit == 0 ? nil : Int(record.limit)
        )
    }

    private func path(_ record: TraceRecord) -> TraceEntry.Path {
        let hasPorts = record.encapsulation != .esp
        return TraceEntry.Path(
            local: "\(record.local.address)",
            remote: "\(record.remote.address)",
            localPort: hasPorts ? record.local.port : nil,
            remotePort: hasPorts ? record.remote.port : nil,
            carrier: TraceTranslation.carrier(record.encapsulation)
        )
    }

    static func carrier(_ encapsulation: Encapsulation) -> String {
        switch encapsulation {
        case .esp: "ip"
        case .udp: "udp"
        case .tcp: "tcp"
        }
    }

    private func outcome(_ outcome: TraceRecord.Outcome) -> TraceEntry.Outcome {
        switch outcome {
        case .sealed: .sealed
        case .opened: .opened
        case .held: .held
        case .gathered: .gathered
        case .queued: .queued
        case .control: .control
        case .dropped: .dropped
        case .datagram: .datagram
        }
    }
}

extension TraceEntry.Policy {
    init(_ origin: PolicyOrigin) {
        self.init(
            action: "\(origin.action)",
            tunnel: origin.tunnel.map { "\($0)" },
            order: origin.order,
            place: origin.location.map { "\($0.file):\($0.line)" }
        )
    }
}
