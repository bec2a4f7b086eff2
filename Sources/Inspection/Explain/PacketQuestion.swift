package import IPsecPrimitives
package import Management
internal import PacketProtection

/// A packet that somebody asks about, and what was assumed where nothing was said.
package struct PacketQuestion: Equatable, Sendable {
    /// Why nothing can be said of such a packet.
    package struct Objection: Error, Equatable, Sendable {
        package let text: String
        package let hint: String

        package init(text: String, hint: String) {
            self.text = text
            self.hint = hint
        }
    }

    package let source: IPAddress
    package let destination: IPAddress
    /// Nil: none that a policy names.
    package let ipProtocol: UInt8?
    /// Nil where ports cannot be seen, or the protocol has none.
    package let sourcePort: UInt16?
    package let destinationPort: UInt16?
    /// Of ICMP, or of a Mobility Header, which has no codes.
    package let icmpType: UInt8?
    package let icmpCode: UInt8?
    package let codePoint: UInt8
    /// The firewall mark that it has on this gateway; 0: none.
    package let mark: UInt32
    package let assumptions: [String]

    /// What a client's system chooses where nothing is said: beyond the assigned ports (RFC 6335 §6).
    private static let dynamicPort: UInt16 = 50_000

    /// - Throws: what makes no sense together.
    package init(
        source: IPAddress,
        destination: IPAddress,
        ipProtocol: UInt8? = nil,
        sourcePort: UInt16? = nil,
        destinationPort: UInt16? = nil,
        icmpType: UInt8? = nil,
        icmpCode: UInt8? = nil,
        codePoint: UInt8 = 0,
        mark: UInt32 = 0
    ) throws(Objection) {
        guard source.version == destination.version else {
            throw Objection(
                text: "\(source) and \(destination) are addresses of two IP versions",
                hint: "give both as IPv4 or both as IPv6: no packet has one of each"
            )
        }
        let hasPorts = sourcePort != nil || destinationPort != nil
        try PacketQuestion.check(ipProtocol, hasPorts: hasPorts, icmpType: icmpType, icmpCode)
        var assumptions: [String] = []
        if hasPorts, sourcePort == nil {
            assumptions.append(
                "source port \(PacketQuestion.dynamicPort); --source-port says another"
            )
        }
        if hasPorts, destinationPort == nil {
            assumptions.append(
                "destination port \(PacketQuestion.dynamicPort); --destination-port says another"
            )
        }
        if icmpType != nil, icmpCode == nil, PacketQuestion.isICMP(ipProtocol) {
            assumptions.append("code 0; --icmp-code says another")
        }
        if ipProtocol == nil {
            assumptions.append("a protocol that no policy names; --protocol says which")
        } else if PacketQuestion.carriesPorts(ipProtocol), !hasPorts {
            assumptions.append(
                "ports that cannot be seen, as in a fragment that is not the first; --source-port "
                    + "and --destination-port give them"
            )
        } else if PacketQuestion.hasTypes(ipProtocol), icmpType == nil {
            assumptions.append(
                "a type that cannot be seen, as in a fragment that is not the first; --icmp-type "
                    + "gives it"
            )
        }
        self.source = source
        self.destination = destination
        self.ipProtocol = ipProtocol
        self.sourcePort = hasPorts ? sourcePort ?? PacketQuestion.dynamicPort : nil
        self.destinationPort = hasPorts ? destinationPort ?? PacketQuestion.dynamicPort : nil
        self.icmpType = icmpType
        let hasCode = icmpType != nil && PacketQuestion.isICMP(ipProtocol)
        self.icmpCode = hasCode ? icmpCode ?? 0 : nil
        self.codePoint = codePoint
        self.mark = mark
        self.assumptions = assumptions
    }

    private static func check(
        _ ipProtocol: UInt8?,
        hasPorts: Bool,
        icmpType: UInt8?,
        _ icmpCode: UInt8?
    ) throws(Objection) {
        if hasPorts, !carriesPorts(ipProtocol) {
            let name = ipProtocol.map(IPProtocolName.name)
            throw Objection(
                text: name.map { "a packet of \($0) has no ports" } ?? "ports of which protocol?",
                hint: "give --protocol tcp, udp or sctp besides"
            )
        }
        if icmpCode != nil, !isICMP(ipProtocol) {
            throw Objection(
                text: "only ICMP has types and codes",
                hint: "give --protocol icmp, or icmpv6, besides"
            )
        }
        if icmpType != nil, !hasTypes(ipProtocol) {
            throw Objection(
                text: "only ICMP and Mobility Headers have types",
                hint: "give --protocol icmp, icmpv6 or mobility-header besides"
            )
        }
        if icmpCode != nil, icmpType == nil {
            throw Objection(text: "a code of which type?", hint: "give --icmp-type besides")
        }
    }

    private static func isICMP(_ number: UInt8?) -> Bool { number == 1 || number == 58 }

    private static func hasTypes(_ number: UInt8?) -> Bool { isICMP(number) || number == 135 }

    /// Those that the packet path reads ports of.
    private static func carriesPorts(_ number: UInt8?) -> Bool {
        number.map { IPProtocolName.hasPorts($0) && !hasTypes($0) } ?? false
    }

    /// As the policy database sees it.
    ///
    /// - Parameter unnamed: the protocol to take where none was given.
    func tuple(unnamed: UInt8) -> PacketTuple {
        // RFC 4301 §4.4.1.1: type and code, as one number on either side.
        let message = icmpType.map { UInt16($0) << 8 | UInt16(icmpCode ?? 0) }
        return PacketTuple(
            source: source,
            destination: destination,
            ipProtocol: ipProtocol ?? unnamed,
            sourcePort: sourcePort ?? message,
            destinationPort: destinationPort ?? message
        )
    }

    /// For a gateway that runs; a packet of no protocol that a policy names has one of those left to
    /// experiments (RFC 3692 §2.1).
    package var query: PacketQuery {
        let tuple = tuple(unnamed: 253)
        return PacketQuery(
            source: "\(source)",
            destination: "\(destination)",
            protocol: tuple.ipProtocol,
            sourcePort: tuple.sourcePort,
            destinationPort: tuple.destinationPort,
            dscp: codePoint == 0 ? nil : codePoint
        )
    }

    /// `tcp from 10.1.0.5 port 50000 to 10.2.0.9 port 443`.
    package var text: String {
        let near = sourcePort.map { " port \($0)" } ?? ""
        let far = destinationPort.map { " port \($0)" } ?? ""
        let name = ipProtocol.map(IPProtocolName.name) ?? "a packet"
        let code = icmpCode.map { " code \($0)" } ?? ""
        let message = icmpType.map { " type \($0)" + code } ?? ""
        let own = [
            codePoint == 0 ? nil : "DSCP \(CodePoint.name(of: codePoint))",
            mark == 0 ? nil : "mark 0x\(String(mark, radix: 16))",
        ].compactMap(\.self)
        let with = own.isEmpty ? "" : " with \(own.joined(separator: " and "))"
        return "\(name)\(message) from \(source)\(near) to \(destination)\(far)\(with)"
    }
}
