internal import IPsecPrimitives

/// Reads `gateway:`.
enum GatewaySection {
    static let keys = [
        "interface", "control-socket", "default-policy", "log-level", "packet-cipher", "listen",
        "workers", "worker-cpus", "cipher-threads",
        "cookie-threshold", "half-open-limit", "defence", "crash-detection", "held-packets",
        "replay-window", "trace-keys",
        "link-mtu", "path-mtu", "path-mtu-floor", "path-mtu-memory", "path-mtu-probe", "mtu",
        "routing-table", "rule-priority", "firewall-mark", "firewall-mask",
        "traffic",
    ]
    static let listenKeys = ["addresses", "ike-port", "nat-port", "tcp-ports"]

    static func read(_ node: YAMLNode, _ problems: Problems) -> GatewaySettings {
        var settings = GatewaySettings(location: node.location)
        guard
            let reader = MappingReader(
                node,
                subject: "gateway",
                keys: keys,
                problems: problems
            )
        else { return settings }
        readNames(reader, &settings)
        readLimits(reader, &settings)
        readWorkers(reader, &settings)
        readRouting(reader, &settings)
        settings.crashDetection =
            reader.value("crash-detection", default: true, WordText.boolean).value
        settings.traceKeys = reader.value("trace-keys", default: false, WordText.boolean).value
        if let node = reader.node("defence") {
            settings.defence = DefenceSection.read(node, problems)
        }
        if let node = reader.node("traffic") {
            settings.traffic = TrafficSection(owner: "gateway", problems: problems)
                .read(node, keys: TrafficSection.gatewayKeys)
        }
        if let listen = reader.node("listen") { readListen(listen, &settings, problems) }
        return settings
    }

    private static func readNames(_ reader: MappingReader, _ settings: inout GatewaySettings) {
        settings.interfaceName =
            reader.value(
                "interface",
                default: settings.interfaceName,
                WordText.deviceName
            ).value
        settings.controlSocket =
            reader.value(
                "control-socket",
                default: settings.controlSocket,
                WordText.socketPath
            ).value
        settings.defaultPolicy =
            reader.value(
                "default-policy",
                default: settings.defaultPolicy,
                WordText.oneOf(GatewaySettings.DefaultPolicy.self)
            ).value
        settings.logLevel =
            reader.value(
                "log-level",
                default: settings.logLevel,
                WordText.oneOf(GatewaySettings.LogLevel.self)
            ).value
        settings.packetCipher =
            reader.value(
                "packet-cipher",
                default: settings.packetCipher,
                WordText.oneOf(GatewaySettings.PacketCipherChoice.self)
            ).value
    }

    private static func readLimits(_ reader: MappingReader, _ settings: inout GatewaySettings) {
        func number(_ key: String, _ fallback: Int, _ range: ClosedRange<Int>) -> Int {
            reader.value(key, default: fallback, NumberText.integer(range)).value
        }
        settings.cookieThreshold = number(
            "cookie-threshold",
            settings.cookieThreshold,
            0...1_000_000
        )
        settings.halfOpenLimit = number("half-open-limit", settings.halfOpenLimit, 1...1_000_000)
        settings.heldPackets = number("held-packets", settings.heldPackets, 0...4096)
        settings.replayWindow = number(
            "replay-window",
            settings.replayWindow,
            ConfigurationLimits.replayWindow
        )
        settings.linkMTU = number("link-mtu", settings.linkMTU, 576...65_535)
        readPathMTU(reader, &settings)
        settings.mtu =
            reader.value(
                "mtu",
                default: nil,
                NumberText.integer(ConfigurationLimits.innerMTU, orWord: "auto")
            ).value
        if settings.cookieThreshold > settings.halfOpenLimit {
            reader.problems.error(
                at: reader.location(of: "cookie-threshold"),
                "cookie-threshold (\(settings.cookieThreshold)) is above half-open-limit "
                    + "(\(settings.halfOpenLimit)): no cookie would ever be asked for",
                hint: "set cookie-threshold below half-open-limit"
            )
        }
    }

    private static func readPathMTU(_ reader: MappingReader, _ settings: inout GatewaySettings) {
        settings.pathMTU =
            reader.value(
                "path-mtu",
                default: settings.pathMTU,
                WordText.oneOf(GatewaySettings.PathMTULearning.self)
            ).value
        settings.pathMTUFloor =
            reader.value(
                "path-mtu-floor",
                default: settings.pathMTUFloor,
                NumberText.integer(ConfigurationLimits.innerMTU)
            ).value
        settings.pathMTUMemory =
            reader.value(
                "path-mtu-memory",
                default: settings.pathMTUMemory,
                NumberText.duration(ConfigurationLimits.pathMTUMemory)
            ).value
        settings.pathMTUProbe =
            reader.value(
                "path-mtu-probe",
                default: settings.pathMTUProbe,
                NumberText.durationOrOff(ConfigurationLimits.pathMTUProbe)
            ).value
        if settings.pathMTUFloor > settings.linkMTU {
            reader.problems.error(
                at: reader.location(of: "path-mtu-floor"),
                "path-mtu-floor (\(settings.pathMTUFloor)) is above link-mtu (\(settings.linkMTU))",
                hint: "set path-mtu-floor to link-mtu at most"
            )
        }
    }

    private static func readRouting(_ reader: MappingReader, _ settings: inout GatewaySettings) {
        func number(_ key: String, _ fallback: UInt32, _ range: ClosedRange<UInt32>) -> UInt32 {
            reader.value(key, default: fallback, NumberText.integer(range)).value
        }
        settings.routingTable = number("routing-table", settings.routingTable, 1...UInt32.max)
        // 0 is the kernel's own rule for local addresses, 32766 the one for the main table.
        settings.rulePriority = number("rule-priority", settings.rulePriority, 1...30_000)
        settings.firewallMark = number("firewall-mark", settings.firewallMark, 1...UInt32.max)
        settings.firewallMask = number("firewall-mask", settings.firewallMask, 1...UInt32.max)
        if (253...255).contains(settings.routingTable) {
            reader.problems.error(
                at: reader.location(of: "routing-table"),
                "routing table \(settings.routingTable) is the system's own",
                hint: "choose another number, as in 4367"
            )
        }
        let outside = settings.firewallMark & ~settings.firewallMask
        if outside != 0 || settings.firewallMark & settings.firewallMask == 0 {
            reader.problems.error(
                at: reader.location(of: "firewall-mark"),
                "firewall-mark has bits that firewall-mask does not cover",
                hint: "set firewall-mask to cover it, as in 0xffff0000 for 0xc1670000"
            )
        } else if settings.firewallMask.nonzeroBitCount == 1 {
            reader.problems.warning(
                at: reader.location(of: "firewall-mask"),
                "firewall-mask has one bit, which leaves no mark for ICMP errors: those about packets "
                    + "that came by a tunnel, from routers that no tunnel covers, are dropped",
                hint: "set firewall-mask to two bits or more, as in 0xffff0000"
            )
        }
    }

    private static func readListen(
        _ node: YAMLNode,
        _ settings: inout GatewaySettings,
        _ problems: Problems
    ) {
        guard
            let reader = MappingReader(
                node,
                subject: "listen",
                keys: listenKeys,
                problems: problems
            )
        else { return }
        let addresses = reader.list("addresses", atMost: 64, WordText.address) ?? []
        settings.listenAddresses = addresses.map(\.value)
        for (index, address) in addresses.enumerated()
        where addresses[..<index].contains(where: { $0.value == address.value }) {
            problems.error(
                at: address.location,
                "\(address.value) stands twice in \"addresses\"",
                hint: "remove one"
            )
        }
        settings.ikePort =
            reader.value("ike-port", default: 500, NumberText.integer(1...65_535)).value
        settings.natPort =
            reader.value("nat-port", default: 4500, NumberText.integer(1...65_535)).value
        readTCPPorts(reader, &settings)
        if settings.ikePort == settings.natPort {
            problems.error(
                at: reader.location(of: "nat-port"),
                "ike-port and nat-port are both \(settings.natPort)",
                hint: "messages on nat-port carry a marker (RFC 3948 §2.2): use two ports"
            )
        }
    }
}

extension GatewaySection {
    /// With processors named and no number of workers, there is one for each.
    private static func readWorkers(_ reader: MappingReader, _ settings: inout GatewaySettings) {
        let processors =
            reader.list(
                "worker-cpus",
                atMost: GatewaySettings.workerLimit,
                NumberText.integer(0...1023)
            ) ?? []
        settings.workerProcessors = processors.map(\.value)
        settings.cipherThreads =
            reader.value(
                "cipher-threads",
                default: settings.cipherThreads,
                NumberText.integer(0...GatewaySettings.cipherThreadLimit)
            ).value
        let count = reader.value(
            "workers",
            default: processors.isEmpty ? settings.workers : nil,
            NumberText.integer(1...GatewaySettings.workerLimit, orWord: "auto")
        )
        settings.workers = count.value
        for (index, processor) in processors.enumerated()
        where processors[..<index].contains(where: { $0.value == processor.value }) {
            reader.problems.error(
                at: processor.location,
                "\(processor.value) stands twice in \"worker-cpus\"",
                hint: "remove one: two workers on one processor only wait for each other"
            )
        }
        if let workers = count.value, !processors.isEmpty, processors.count != workers {
            reader.problems.error(
                at: reader.location(of: "worker-cpus"),
                "worker-cpus names \(processors.count) processors for \(workers) "
                    + (workers == 1 ? "worker" : "workers"),
                hint: "name one for each worker, or leave workers out"
            )
        }
    }

    private static func readTCPPorts(_ reader: MappingReader, _ settings: inout GatewaySettings) {
        guard
            let ports = reader.list(
                "tcp-ports",
                atMost: 8,
                { text throws(Complaint) -> UInt16 in
                    try NumberText.integer(1...65_535)(text)
                }
            )
        else { return }
        settings.tcpPorts = ports.map(\.value)
        for (index, port) in ports.enumerated()
        where ports[..<index].contains(where: { $0.value == port.value }) {
            reader.problems.error(
                at: port.location,
                "\(port.value) stands twice in \"tcp-ports\"",
                hint: "remove one"
            )
        }
    }
}

/// Ranges that several keys share.
enum ConfigurationLimits {
    /// In packets; a bitmap of this size is kept for each SA.
    static let replayWindow = 32...65_536
    /// RFC 8200 §5 asks for 1280 where IPv6 is carried; IPv4 alone lives with less.
    static let innerMTU = 576...65_535
    /// RFC 1191 §3, RFC 8201 §4: "MUST NOT be done less than 5 minutes after" the word came.
    static let pathMTUMemory = Duration.seconds(300)...Duration.seconds(86_400)
    static let pathMTUProbe = Duration.seconds(60)...Duration.seconds(86_400)
    static let connections = 10_000
    static let tunnelsPerConnection = 1000
    static let peerAddresses = 16
    static let policies = 100_000
    /// Each is a device that the packet path looks after.
    static let interfaces = 1000
    /// RFC 7296 §3.13 counts selectors in one byte.
    static let selectors = 255
    static let proposals = 16
    /// A second.
    static let dummyPackets = 1...10_000
    /// Bits a second.
    static let trainRate: ClosedRange<UInt64> = 64_000...10_000_000_000
    static let trainPacket = 256...65_535
    static let trainQueue = Duration.milliseconds(1)...Duration.seconds(10)
    static let trainReorder = 0...64
    static let ikeLifetime = Duration.seconds(10)...Duration.seconds(7 * 86_400)
    static let tunnelLifetime = Duration.seconds(5)...Duration.seconds(7 * 86_400)
}
