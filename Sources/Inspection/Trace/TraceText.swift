internal import IPsecPrimitives
package import Management
internal import PacketProtection

/// A packet of a trace for people, as `cygnet trace` prints it: one line.
///
/// What comes from packets is in it as numbers and addresses only; names are the configuration's.
package struct TraceText {
    private let entry: TraceEntry

    package init(_ entry: TraceEntry) {
        self.entry = entry
    }

    package var line: String {
        var parts = [clock + " " + entry.direction.rawValue + (entry.device.map { " \($0)" } ?? "")]
        parts.append(packet)
        if let policy = entry.policy { parts.append(words(policy)) }
        if let words = sa { parts.append(words) }
        parts.append(outcome)
        return parts.joined(separator: " | ")
    }

    /// `12:03:04.123456`, UTC.
    private var clock: String {
        guard entry.time.isFinite, entry.time >= 0, entry.time < 1e12 else { return "?" }
        let microseconds = UInt64(entry.time * 1e6)
        let second = microseconds / 1_000_000 % 86_400
        let fraction = String(microseconds % 1_000_000)
        return [second / 3600, second / 60 % 60, second % 60].map {
            ($0 < 10 ? "0" : "") + String($0)
        }.joined(separator: ":") + "." + String(repeating: "0", count: 6 - fraction.count)
            + fraction
    }

    private var packet: String {
        guard let packet = entry.packet else {
            return entry.outcome == .control ? "IKE" : "a packet that cannot be read"
        }
        let near = packet.sourcePort.map { "[\($0)]" } ?? ""
        let far = packet.destinationPort.map { "[\($0)]" } ?? ""
        let code = packet.icmpCode.map { " code \($0)" } ?? ""
        let message = packet.icmpType.map { " type \($0)" + code } ?? ""
        return "\(packet.protocol)\(message) \(packet.source)\(near) > \(packet.destination)\(far)"
            + (packet.isFragment == true ? ", fragment" : "")
            + (packet.dscp > 0 ? ", DSCP \(packet.dscp)" : "") + ", \(packet.octets) bytes"
    }

    private func words(_ policy: TraceEntry.Policy) -> String {
        let name = policy.tunnel ?? policy.action
        guard let place = policy.place else {
            return policy.tunnel == nil ? "default-policy: \(name)" : name
        }
        return "\(name) (\(place))"
    }

    private var sa: String? {
        guard let protection = entry.protection, let spi = protection.spi else { return nil }
        let number = protection.sequence.map { " number \($0)" } ?? ""
        return "\(protection.protocol) \(spi)\(number)"
    }

    private var outcome: String {
        let waited = entry.heldSeconds.map { " after waiting \(milliseconds($0)) ms" } ?? ""
        switch entry.outcome {
        case .sealed: return "sealed\(waited), \(way)"
        case .opened: return "opened, \(way)"
        case .held: return "held: waits for an SA"
        case .gathered: return "waits for the other fragments of its packet"
        case .queued: return "waits for its place in the train (ip-tfs)"
        case .control: return "handed to IKE, \(way)"
        case .datagram: return "datagram, \(way)"
        case .dropped: return "DROPPED\(waited)\(dropped)"
        }
    }

    private func milliseconds(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "?" }
        return String(Int(seconds * 1000))
    }

    private var dropped: String {
        let reason = entry.reason ?? "unknown"
        let explanation = DropExplanation.of(reason)
        // Where the drop is a matter of size, the size is what one wants to know.
        let limit = reason == "\(DropReason.tooBig)" ? entry.protection?.limit : nil
        let end = entry.path == nil || entry.direction == .outbound ? "" : ", \(way)"
        return ": \(reason)" + (explanation.map { ": \($0.cause)" } ?? "")
            + (limit.map { " (\($0) bytes at most)" } ?? "")
            + (explanation.map { "; remedy: \($0.remedy)" } ?? "") + end
    }

    /// Outer addresses and sizes, the way that the packet went.
    private var way: String {
        guard let path = entry.path else { return "" }
        let local = endpoint(path.local, path.localPort)
        let remote = endpoint(path.remote, path.remotePort)
        let ends =
            entry.direction == .outbound ? "\(local) > \(remote)" : "\(remote) > \(local)"
        let carrier = path.carrier == "ip" ? "" : " in \(path.carrier.uppercased())"
        guard let protection = entry.protection, protection.datagrams > 0 else {
            return ends + carrier
        }
        let sizes =
            protection.datagrams == 1
            ? "\(protection.octets) bytes"
            : "\(protection.datagrams) datagrams, \(protection.octets) bytes"
        return "\(ends)\(carrier), \(sizes)"
    }

    private func endpoint(_ address: String, _ port: UInt16?) -> String {
        guard let port else { return address }
        return address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
}
