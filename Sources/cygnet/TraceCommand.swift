internal import ArgumentParser
internal import Foundation
internal import IPsecPrimitives
internal import Inspection
internal import LinuxIO
internal import Management

/// `cygnet trace`: what the packet path decides about packets, as they pass.
struct TraceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Show packets of the running gateway with every decision about them.",
        discussion: """
            One line a packet: the device, the packet, the policy that decided with its place in the \
            configuration, the SA, and what became of it; for a packet that was dropped the reason \
            and what would mend it. Conditions are joined: each must hold. It runs until Ctrl-C, \
            --count or --seconds; at most --rate packets a second are shown, and the others counted. \
            With --capture, the packets themselves go to a pcapng file instead, before and after \
            protection, for Wireshark. Documentation/trace.md says more.

            Examples:
              cygnet trace
              cygnet trace --drops
              cygnet trace --drop noPolicy --count 1
              cygnet trace --address 10.1.0.0/16 --protocol tcp --port 443
              cygnet trace --tunnel branch/net --sample 1/100 --seconds 10
              cygnet trace --spi 0xc0ffee42 --json | jq .protection.sequence
              cygnet trace --capture packets.pcapng --seconds 10
              cygnet trace --capture packets.pcapng --with-keys esp_sa --tunnel branch/net

            Exits with 0, with 1 when the gateway does not answer or refuses, with 64 when the \
            conditions make no sense.
            """
    )

    @OptionGroup var socket: SocketOption
    @OptionGroup var conditions: TraceConditions

    @Option(help: "End after so many packets.")
    var count: Int?

    @Option(help: "End after so many seconds.")
    var seconds: Double?

    @Flag(help: "Print JSON, one object a packet.")
    var json = false

    @Option(
        help: "Write the packets to a pcapng file, before and after protection.",
        completion: .file(extensions: ["pcapng"])
    )
    var capture: String?

    @Option(help: "Octets of each packet in the capture.")
    var snapLength: Int?

    @Option(
        help: """
            Write the keys of the SAs to a new file that you alone may read, as Wireshark's esp_sa; \
            the gateway must be allowed to give them (trace-keys: true).
            """
    )
    var withKeys: String?

    func validate() throws {
        if capture == nil, snapLength != nil || withKeys != nil {
            throw ValidationError("--snap-length and --with-keys go with --capture.")
        }
        if let withKeys, withKeys == capture {
            throw ValidationError("--capture and --with-keys go to files of their own.")
        }
        if let count, count < 1 { throw ValidationError("--count begins at 1.") }
        if let seconds, !(seconds > 0 && seconds < 1e7) {
            throw ValidationError("--seconds is above 0 and below 10000000.")
        }
    }

    func run() throws {
        var request = try conditions.request()
        var output = TraceOutput(isJSON: json, limit: count)
        if let capture {
            request.captureOctets = snapLength ?? TraceRequest.captureRange.upperBound
            if conditions.rate == nil { request.perSecond = TraceOutput.capturesPerSecond }
            request.keys = withKeys != nil
            output.files = try TraceFiles(
                capture: capture,
                keys: withKeys,
                snapLength: request.captureOctets ?? 0
            )
        }
        let signals = try? SignalDescriptor()
        let last: ManagementReply?
        do throws(ManagementError) {
            last = try socket.client.trace(request, seconds: seconds) { report in
                let goesOn = report.map { output.take($0) } ?? !output.isComplete
                return goesOn && output.isWanted && signals?.next() == nil
            }
        } catch {
            if output.hasBegun { output.close() } else { output.files?.discard() }
            CommandOutput.complain("\(error)")
            throw ExitCode.failure
        }
        guard let last else {
            output.close()
            if output.failure != nil { throw ExitCode.failure }
            return
        }
        if output.hasBegun { output.close() } else { output.files?.discard() }
        if case .failed(let failure) = last {
            for line in FailureText(failure).lines { CommandOutput.complain(line) }
        } else {
            CommandOutput.complain("\(ManagementError.malformed("no trace in it"))")
        }
        throw ExitCode.failure
    }
}

/// Which packets a trace shows.
struct TraceConditions: ParsableArguments {
    @Option(
        name: .customLong("address"),
        help: "An address or a prefix of either end, inside or outside; may be given again."
    )
    var addresses: [String] = []

    @Option(
        name: .customLong("protocol"),
        help: "The inner protocol, by name (tcp, udp, icmp, icmpv6 …) or number."
    )
    var ipProtocol: String?

    @Option(help: "A port of either end.")
    var port: UInt16?

    @Option(help: "A connection, or connection/tunnel.")
    var tunnel: String?

    @Option(help: "The SPI of an SA, as cygnet status shows it.")
    var spi: String?

    @Option(help: "out: into tunnels; in: out of them.")
    var direction: TraceRequest.Direction?

    @Flag(help: "Only what is dropped.")
    var drops = false

    @Option(
        name: .customLong("drop"),
        help: "Only what is dropped for this reason (cygnet explain drop); may be given again."
    )
    var reasons: [String] = []

    @Option(help: "One packet in N, as 1/N or N.")
    var sample: SampleRatio?

    @Option(help: "Packets a second that are shown at most.")
    var rate: Int?

    func request() throws -> TraceRequest {
        var number: UInt8?
        if let ipProtocol {
            guard let known = IPProtocolName.number(of: ipProtocol), known != 0 else {
                throw ValidationError(
                    "\"\(ipProtocol)\" is no protocol: write its number, 1 to 255, or one of "
                        + IPProtocolName.known.joined(separator: ", ") + "."
                )
            }
            number = known
        }
        let names = try reasons.map { word in
            guard let explanation = DropExplanation.of(word) else {
                throw ValidationError(
                    "\"\(word)\" is no reason for a drop: cygnet explain drop lists them."
                )
            }
            return explanation.reason
        }
        var request = TraceRequest(
            addresses: addresses,
            protocol: number,
            port: port,
            tunnel: tunnel,
            spi: spi,
            direction: direction,
            dropsOnly: drops,
            reasons: names,
            sample: sample?.every ?? 1
        )
        if let rate { request.perSecond = rate }
        return request
    }
}

extension TraceRequest.Direction: ExpressibleByArgument {}

/// `1/100` or `100`.
struct SampleRatio: ExpressibleByArgument {
    let every: Int

    init?(argument: String) {
        let digits = argument.hasPrefix("1/") ? argument.dropFirst(2) : argument[...]
        guard let number = Int(digits), number > 0 else { return nil }
        every = number
    }
}
