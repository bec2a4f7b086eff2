internal import IPsecPrimitives

/// Reads `traffic:`, wherever it stands.
struct TrafficSection {
    static let gatewayKeys = ["rate", "classes"]
    static let keys = ["rate", "weight", "classes"]
    static let classKeys = ["match", "priority", "weight", "rate", "queue"]
    static let matchKeys = ["dscp", "mark", "protocol", "ports", "local", "remote"]
    private static let matchLimit = 32
    private static let queue = Duration.milliseconds(1)...Duration.seconds(10)

    /// For sentences: `gateway`, `tunnel "branch/net"`.
    let owner: String
    let problems: Problems

    /// - Parameter keys: those that may stand there.
    func read(_ node: YAMLNode, keys: [String]) -> TrafficConfiguration? {
        guard
            let reader = MappingReader(
                node,
                subject: "traffic of \(owner)",
                keys: keys,
                problems: problems
            )
        else { return nil }
        var traffic = TrafficConfiguration(location: node.location)
        traffic.rate = readRate(reader)
        traffic.weight = reader.value(
            "weight",
            default: 1,
            NumberText.integer(TrafficConfiguration.weights)
        )
        traffic.classes = reader.node("classes").map { readClasses($0, under: traffic.rate.value) }
        return traffic
    }

    private func readRate(_ reader: MappingReader) -> Located<UInt64?> {
        reader.value("rate", default: nil) { (text) throws(Complaint) -> UInt64? in
            try RateText.parse(TrafficConfiguration.rates)(text)
        }
    }

    private func readClasses(_ node: YAMLNode, under rate: UInt64?) -> [TrafficClassConfiguration] {
        let subject = "classes of \(owner)"
        guard
            let entries = MappingReader.entries(of: node, subject: subject, problems: problems)
        else { return [] }
        // One is kept for what no class takes.
        let limit = TrafficConfiguration.classLimit - 1
        if entries.isEmpty || entries.count > limit {
            problems.error(
                at: node.location,
                "\(subject): \(entries.count) entries",
                hint: "write 1 to \(limit) classes, as in `voice: {match: {dscp: ef}, priority: 1}`"
            )
        }
        let classes = entries.prefix(limit).compactMap { entry -> TrafficClassConfiguration? in
            guard NameCheck.passes(entry, "traffic class", problems) else { return nil }
            return readClass(entry, under: rate)
        }
        let rest = classes.filter(\.matches.isEmpty)
        if rest.count > 1 {
            problems.error(
                at: rest[1].name.location,
                "traffic classes \"\(rest[0].name.value)\" and \"\(rest[1].name.value)\" of \(owner) "
                    + "both have no match, and so both would have what no other takes",
                hint: "write `match:` in one of them, or remove it"
            )
        }
        return classes
    }

    private func readClass(_ entry: YAMLEntry, under rate: UInt64?) -> TrafficClassConfiguration? {
        guard
            let reader = MappingReader(
                entry.value,
                subject: "traffic class \"\(entry.key)\" of \(owner)",
                keys: TrafficSection.classKeys,
                problems: problems
            )
        else { return nil }
        var result = TrafficClassConfiguration(name: Located(entry.key, at: entry.keyLocation))
        if let node = reader.node("match") {
            guard let matches = readMatches(node, reader.subject) else { return nil }
            result.matches = matches
        }
        result.priority =
            reader.value(
                "priority",
                default: result.priority,
                NumberText.integer(TrafficConfiguration.priorities)
            ).value
        result.weight =
            reader.value(
                "weight",
                default: result.weight,
                NumberText.integer(TrafficConfiguration.weights)
            ).value
        result.queue =
            reader.value(
                "queue",
                default: result.queue,
                NumberText.duration(TrafficSection.queue)
            ).value
        result.rate = readRate(reader)
        if let own = result.rate.value, let rate, own > rate {
            problems.warning(
                at: result.rate.location,
                "traffic class \"\(entry.key)\" may have \(own.rateText), more than the "
                    + "\(rate.rateText) of \(owner)",
                hint: "remove the class's rate, or lower it"
            )
        }
        return result
    }

    private func readMatches(
        _ node: YAMLNode,
        _ subject: String
    ) -> [TrafficMatchConfiguration]? {
        let nodes: [YAMLNode]
        if case .sequence(let items) = node.content { nodes = items } else { nodes = [node] }
        if nodes.isEmpty || nodes.count > TrafficSection.matchLimit {
            problems.error(
                at: node.location,
                "match of \(subject) has \(nodes.count) entries",
                hint: "write 1 to \(TrafficSection.matchLimit), each as in `{dscp: ef}`"
            )
            return nil
        }
        let matches = nodes.compactMap { readMatch($0, subject) }
        return matches.count == nodes.count ? matches : nil
    }

    private func readMatch(_ node: YAMLNode, _ subject: String) -> TrafficMatchConfiguration? {
        guard
            let reader = MappingReader(
                node,
                subject: "match of \(subject)",
                keys: TrafficSection.matchKeys,
                problems: problems
            )
        else { return nil }
        var match = TrafficMatchConfiguration()
        let limit = TrafficSection.matchLimit
        match.codePoints = (reader.list("dscp", atMost: 64, CodePointText.parse) ?? []).map(\.value)
        match.marks = reader.list("mark", atMost: limit, FirewallMarkText.parse) ?? []
        let protocols = reader.list("protocol", atMost: limit, SelectorText.number(ofProtocol:))
        match.protocols = (protocols ?? []).map(\.value)
        let ports = reader.list("ports", atMost: limit) { (text) throws(Complaint) in
            try TrafficSection.ports(text)
        }
        match.ports = (ports ?? []).map(\.value)
        match.local = addresses("local", reader)
        match.remote = addresses("remote", reader)
        if match.isEmpty {
            problems.error(
                at: node.location,
                "match of \(subject) names nothing",
                hint: "name dscp, mark, protocol, ports, local or remote; a class for everything "
                    + "else has no match"
            )
            return nil
        }
        return match
    }

    private static func ports(_ text: String) throws(Complaint) -> PortRange {
        let range = try PortText.parse(text, 17)
        guard !range.isOpaque, !range.isAny else {
            throw Complaint(
                "\"\(shown(text))\" is no port",
                hint: "write a port or a range of them, as in 5060 or 16384-32767"
            )
        }
        return range
    }

    private func addresses(_ key: String, _ reader: MappingReader) -> [TrafficSelector] {
        let list = reader.list(key, atMost: ConfigurationLimits.selectors) {
            (text) throws(Complaint) -> TrafficSelector in
            let selector = try SelectorText.parse(text)
            guard selector.ipProtocol == 0 else {
                throw Complaint(
                    "\(shown(text)) names a protocol",
                    hint: "write protocol and ports as keys of the match, beside \(key)"
                )
            }
            return selector
        }
        return (list ?? []).map(\.value)
    }
}

/// Code points as the configuration writes them: `ef`, `af41`, `46`.
enum CodePointText {
    static func parse(_ text: String) throws(Complaint) -> UInt8 {
        guard let value = CodePoint.value(of: text) else {
            let names = CodePoint.names.map(\.name)
            let near = NearestWord.to(text, among: names).map { "did you mean \($0)? " } ?? ""
            throw Complaint(
                "\"\(shown(text))\" is not a DSCP",
                hint: "\(near)Write a number from 0 to 63, or a name: ef, va, le, cs0 to cs7, af11 "
                    + "to af43"
            )
        }
        return value
    }
}

/// Firewall marks as the configuration writes them: `16`, `0x10`, `0x20/0xf0`.
enum FirewallMarkText {
    static func parse(_ text: String) throws(Complaint) -> FirewallMark {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let value = try number(String(parts[0]), text)
        let mask = parts.count > 1 ? try number(String(parts[1]), text) : nil
        guard value != 0 else {
            throw Complaint(
                "\"\(shown(text))\" is what packets without a mark have",
                hint: "write another value; a class without match has what no other takes"
            )
        }
        if let mask, value & ~mask != 0 {
            let fitting = FirewallMark(value: value & mask, mask: mask)
            throw Complaint(
                "the value of \"\(shown(text))\" has bits that its mask does not cover, and fits "
                    + "no packet",
                hint: value & mask == 0
                    ? "write a mask that covers it" : "write \(fitting), or another mask"
            )
        }
        return FirewallMark(value: value, mask: mask)
    }

    private static func number(_ part: String, _ text: String) throws(Complaint) -> UInt32 {
        do throws(Complaint) {
            return try NumberText.integer(0...UInt32.max)(part)
        } catch {
            throw Complaint(
                "\"\(shown(text))\" is not a firewall mark",
                hint: "write a number of 32 bits, as in 16 or 0x10, or one with a mask, as in "
                    + "0x20/0xf0"
            )
        }
    }
}
