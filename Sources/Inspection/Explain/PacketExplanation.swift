package import Configuration
internal import IPsecPrimitives
internal import PacketProtection

/// What a configuration makes of one packet, in each direction, and why: what `cygnet explain packet`
/// prints. The answer is the packet path's own: its policy database, made of the same entries.
package struct PacketExplanation: Codable, Equatable, Sendable {
    /// The packet as the policy database sees it.
    package struct Packet: Codable, Equatable, Sendable {
        package var source: String
        package var destination: String
        /// Absent for one that no policy names.
        package var `protocol`: String?
        package var sourcePort: UInt16?
        package var destinationPort: UInt16?
        package var icmpType: UInt8?
        package var icmpCode: UInt8?
        /// What was not said.
        package var assumed: [String]
    }

    /// A policy that covers the addresses and yet does not decide.
    package struct PassedOver: Codable, Equatable, Sendable {
        package var order: Int
        package var file: String
        package var line: Int
        package var reason: String
    }

    /// A route-based tunnel that takes the packet if the routing table sends it to its interface, or
    /// sent what it answers there: then no policy is asked.
    package struct ByRoute: Codable, Equatable, Sendable {
        package var interface: String
        package var tunnel: String
        package var file: String
        package var line: Int
        /// The network that the configuration routes there, if one has the packet's far end.
        package var route: String?
    }

    package struct Verdict: Codable, Equatable, Sendable {
        /// `protect`, `bypass` or `discard`.
        package var action: String
        /// From 1; absent where no policy covers the packet and `default-policy` decides.
        package var order: Int?
        package var file: String?
        package var line: Int?
        package var local: [String]
        package var remote: [String]
        /// `connection/tunnel`, for `protect`.
        package var tunnel: String?
        package var tunnelLine: Int?
        package var passedOver: [PassedOver]
        package var byRoute: [ByRoute]
        /// What becomes of the packet, a sentence each.
        package var consequences: [String]
        package var hints: [String]
    }

    package var schema = 1
    package var file: String
    package var packet: Packet
    /// The source is on this gateway's side.
    package var leaving: Verdict
    /// The destination is on this gateway's side.
    package var arriving: Verdict

    package init(_ question: PacketQuestion, in configuration: GatewayConfiguration) {
        file = configuration.file
        packet = Packet(
            source: "\(question.source)",
            destination: "\(question.destination)",
            protocol: question.ipProtocol.map(IPProtocolName.name),
            sourcePort: question.sourcePort,
            destinationPort: question.destinationPort,
            icmpType: question.icmpType,
            icmpCode: question.icmpCode,
            assumed: question.assumptions
        )
        let judge = PolicyJudge(configuration, question)
        leaving = judge.verdict(isOutbound: true)
        arriving = judge.verdict(isOutbound: false)
    }

    /// For people.
    package func text(of question: PacketQuestion) -> String {
        var lines = [question.text]
        lines += packet.assumed.map { "  assumed: \($0)" }
        lines += ["", "Leaving, with \(packet.source) on this side:"]
        lines += PacketExplanation.lines(leaving)
        lines += ["", "Arriving, with \(packet.destination) on this side:"]
        lines += PacketExplanation.lines(arriving)
        return lines.joined(separator: "\n") + "\n"
    }

    private static func lines(_ verdict: Verdict) -> [String] {
        var lines: [String] = []
        if let order = verdict.order, let line = verdict.line {
            lines.append(
                "  policy \(order) decides (line \(line)): between \(and(verdict.local)) here and "
                    + "\(and(verdict.remote)) there"
            )
        } else {
            lines.append("  no policy covers it: default-policy decides (\(verdict.action))")
        }
        lines += verdict.consequences.map { "  \($0)" }
        lines += verdict.byRoute.map { route in
            "  unless interface \(route.interface) has it: by route it is tunnel \(route.tunnel)'s "
                + "(line \(route.line))"
                + (route.route.map { ", and the configuration routes \($0) there" } ?? "")
        }
        lines += verdict.passedOver.map {
            "  not policy \($0.order) (line \($0.line)): \($0.reason)"
        }
        return lines + verdict.hints.map { "    hint: \($0)" }
    }
}
