internal import ArgumentParser
internal import IPsecPrimitives
internal import Inspection
internal import Management

/// `cygnet explain`: why the gateway does what it does.
struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say what becomes of something, and why.",
        subcommands: [ExplainPacketCommand.self, ExplainDropCommand.self]
    )
}

/// `cygnet explain packet`: which policy a packet meets.
struct ExplainPacketCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "packet",
        abstract: "Say what happens to a packet in each direction: which policy decides, and why.",
        discussion: """
            Looks the packet up as the gateway does, in the policies of a configuration file; \
            nothing is sent, started or changed. Told are the policy that decides with its line, \
            its tunnel, and the policies for the same addresses that do not take the packet. With \
            --running the gateway that runs is asked instead: which SA the packet would take, or why \
            none, and by which SA it might arrive.

            Examples:
              cygnet explain packet 10.1.0.5 10.2.0.9
              cygnet explain packet 10.1.0.5 10.2.0.9 --protocol tcp --destination-port 443
              cygnet explain packet 10.1.0.5 10.2.0.9 --protocol icmp --icmp-type 8 -c a.yaml
              cygnet explain packet 10.1.0.5 10.2.0.9 --json | jq .leaving.tunnel
              cygnet explain packet 10.1.0.5 10.2.0.9 --running
              cygnet explain packet 10.1.0.5 10.2.0.9 --dscp ef --running
              cygnet explain packet 10.1.0.5 10.2.0.9 --mark 0x10

            Exits with 0 when there is an answer, whatever it is, with 1 when the configuration \
            cannot be used or the gateway does not answer, with 64 when there is no such packet.
            """
    )

    @Argument(help: "The packet's source address.")
    var source: String

    @Argument(help: "The packet's destination address.")
    var destination: String

    @Option(
        name: .customLong("protocol"),
        help: "The protocol, by name (tcp, udp, icmp, icmpv6, sctp, gre …) or number."
    )
    var ipProtocol: String?

    @Option(help: "The source port; without it, and with another port given, 50000.")
    var sourcePort: UInt16?

    @Option(help: "The destination port; without it, and with another port given, 50000.")
    var destinationPort: UInt16?

    @Option(
        name: .customLong("icmp-type"),
        help: "The type of an ICMP message or a Mobility Header, such as 8."
    )
    var icmpType: UInt8?

    @Option(name: .customLong("icmp-code"), help: "The code of an ICMP message; 0 without it.")
    var icmpCode: UInt8?

    @Option(
        help: """
            The DSCP, by name (ef, af41, cs1 …) or number; 0 without it. Where a tunnel has SAs by \
            DSCP, it chooses among them.
            """
    )
    var dscp: String?

    @Option(
        help: """
            The firewall mark, decimal or as 0x10; none without it. Traffic classes may ask for it, \
            SAs do not: not with --running.
            """
    )
    var mark: String?

    @OptionGroup var configuration: ConfigurationOption

    @Flag(help: "Ask the gateway that runs, not a configuration file.")
    var running = false

    @OptionGroup var socket: SocketOption

    @Flag(help: "Print the answer as JSON.")
    var json = false

    func run() throws {
        let question = try question()
        if running { return try askGateway(question) }
        let loaded = try configuration.load().configuration
        let explanation = PacketExplanation(question, in: loaded)
        if json {
            print(ManagementCodec.readableJSON(explanation))
        } else {
            print(explanation.text(of: question), terminator: "")
        }
    }

    private func askGateway(_ question: PacketQuestion) throws {
        let standing: PacketStanding
        do throws(ManagementError) {
            standing = try socket.client.explain(question.query)
        } catch {
            CommandOutput.complain("\(error)")
            throw ExitCode.failure
        }
        if json {
            print(ManagementCodec.readableJSON(standing))
        } else {
            print(question.text)
            for line in question.assumptions { print("  assumed: \(line)") }
            print("\n" + StandingText(standing).text, terminator: "")
        }
    }

    private func question() throws -> PacketQuestion {
        do throws(PacketQuestion.Objection) {
            return try PacketQuestion(
                source: address(source),
                destination: address(destination),
                ipProtocol: number(ipProtocol),
                sourcePort: sourcePort,
                destinationPort: destinationPort,
                icmpType: icmpType,
                icmpCode: icmpCode,
                codePoint: codePoint(dscp),
                mark: number(ofMark: mark)
            )
        } catch {
            CommandOutput.complain(error.text)
            CommandOutput.complain("    hint: \(error.hint)")
            throw ExitCode(64)
        }
    }

    private func address(_ text: String) throws(PacketQuestion.Objection) -> IPAddress {
        guard let address = IPAddress(text) else {
            throw PacketQuestion.Objection(
                text: "\"\(text)\" is no IP address",
                hint: "write it as 10.1.0.5 or 2001:db8::5"
            )
        }
        return address
    }

    private func number(ofMark text: String?) throws(PacketQuestion.Objection) -> UInt32 {
        guard let text else { return 0 }
        guard !running else {
            throw PacketQuestion.Objection(
                text: "--mark tells traffic classes apart, of which --running does not tell",
                hint: "leave out one of the two"
            )
        }
        let digits = text.hasPrefix("0x") ? text.dropFirst(2) : text[...]
        guard text.first?.isNumber == true,
            let number = UInt32(digits, radix: text.hasPrefix("0x") ? 16 : 10)
        else {
            throw PacketQuestion.Objection(
                text: "\"\(text)\" is no firewall mark",
                hint: "write a number of 32 bits, as in 16 or 0x10"
            )
        }
        return number
    }

    private func codePoint(_ text: String?) throws(PacketQuestion.Objection) -> UInt8 {
        guard let text else { return 0 }
        guard let value = CodePoint.value(of: text) else {
            throw PacketQuestion.Objection(
                text: "\"\(text)\" is no DSCP",
                hint: "write a number from 0 to 63, or a name such as ef, af41 or cs1"
            )
        }
        return value
    }

    private func number(_ text: String?) throws(PacketQuestion.Objection) -> UInt8? {
        guard let text else { return nil }
        guard let number = IPProtocolName.number(of: text), number != 0 else {
            throw PacketQuestion.Objection(
                text: "\"\(text)\" is no protocol",
                hint: "write its number, 1 to 255, or one of "
                    + IPProtocolName.known.joined(separator: ", ")
            )
        }
        return number
    }
}
