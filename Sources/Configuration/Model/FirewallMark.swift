/// A firewall mark that a traffic class asks for (`match:` → `mark:`): a value of some bits of the mark
/// that the kernel keeps with a packet (SO_MARK, or `meta mark set` of nftables).
package struct FirewallMark: Hashable, Sendable {
    /// Not 0, which is what packets without a mark have.
    package var value: UInt32
    /// The bits that count, which cover the value; nil: all that are not the gateway's own
    /// (`firewall-mask`).
    package var mask: UInt32?

    package init(value: UInt32, mask: UInt32? = nil) {
        self.value = value
        self.mask = mask
    }

    /// With its mask, where the gateway's own bits are these.
    func beside(_ own: UInt32) -> FirewallMark {
        FirewallMark(value: value, mask: mask ?? ~own)
    }

    /// Whether a packet's mark is one.
    ///
    /// - Parameter own: the bits of the gateway's own marks.
    package func covers(_ mark: UInt32, beside own: UInt32) -> Bool {
        mark & (mask ?? ~own) == value
    }
}

extension FirewallMark: CustomStringConvertible {
    /// As the configuration writes it, with hexadecimal digits.
    package var description: String {
        "0x" + String(value, radix: 16) + (mask.map { "/0x" + String($0, radix: 16) } ?? "")
    }
}

extension GatewayConfiguration {
    /// The marks that traffic classes ask for, each once and with its mask, in the order of the file. No
    /// two have a value, nor cover the mark of one packet.
    package var trafficMarks: [FirewallMark] {
        var seen: Set<FirewallMark> = []
        return TrafficMatchConfiguration.all(settings, connections).flatMap(\.marks).compactMap {
            let mark = $0.value.beside(settings.firewallMask)
            return seen.insert(mark).inserted ? mark : nil
        }
    }

    /// Where the first of them stands; nil where there is none.
    package var firstTrafficMark: SourceLocation? {
        TrafficMatchConfiguration.all(settings, connections).lazy.flatMap(\.marks).first?.location
    }
}

extension TrafficMatchConfiguration {
    /// Those of all classes, wherever they are written.
    static func all(
        _ settings: GatewaySettings,
        _ connections: [ConnectionConfiguration]
    ) -> [TrafficMatchConfiguration] {
        let traffic =
            [settings.traffic]
            + connections.flatMap { connection in
                [connection.traffic] + connection.tunnels.map(\.traffic)
            }
        return traffic.flatMap { ($0?.classes ?? []).flatMap(\.matches) }
    }
}
