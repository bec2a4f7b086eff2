internal import IPsecPrimitives

/// Which packets of a tunnel have SAs of their own, by their DSCP (RFC 4301 §4.1).
extension TunnelSection {
    /// Sets of code points; with the SA for the rest as many SAs as a tunnel has traffic classes.
    static let codePointSetLimit = TrafficConfiguration.classLimit - 1

    /// A list of sets, each one name or a list of them: `[ef, [af41, af42]]`.
    func readCodePointSets(_ reader: MappingReader) -> Located<[CodePointSet]> {
        let key = "sa-per-dscp"
        guard let node = reader.node(key) else { return Located([], at: reader.location) }
        let items: [YAMLNode]
        if case .sequence(let list) = node.content { items = list } else { items = [node] }
        let limit = TunnelSection.codePointSetLimit
        if items.isEmpty || items.count > limit {
            problems.error(
                at: node.location,
                "\"\(key)\" in \(reader.subject) has \(items.count) entries",
                hint: "write 1 to \(limit), each a DSCP or a list of them, as in "
                    + "`[ef, [af41, af42]]`"
            )
        }
        var taken: [UInt8: Int] = [:]
        var sets: [CodePointSet] = []
        for (index, item) in items.prefix(limit).enumerated() {
            let values = reader.list(item, named: key, atMost: 64, CodePointText.parse)
            for value in values {
                if let other = taken[value.value], other != index {
                    problems.error(
                        at: value.location,
                        "DSCP \(CodePoint.name(of: value.value)) stands in two entries of "
                            + "\"\(key)\" in \(reader.subject), and its packets can go by one SA only",
                        hint: "remove it from one of them"
                    )
                }
                taken[value.value] = index
            }
            let set = CodePointSet(values.map(\.value))
            if !set.isEmpty { sets.append(set) }
        }
        return Located(sets, at: node.location)
    }

    /// What several SAs of the same traffic do not go with.
    func checkCodePointSets(_ tunnel: TunnelConfiguration) {
        let carriage = tunnel.carriage
        guard !carriage.codePointSets.value.isEmpty else { return }
        let location = carriage.codePointSets.location
        if carriage.resources.value > 1 {
            problems.error(
                at: location,
                "tunnel \"\(tunnel.path)\" wants several SAs of the same traffic, by DSCP and by "
                    + "resource: the packets of a class could not have both",
                hint: "remove sa-per-dscp or resources"
            )
        }
        if !carriage.populated.value.isEmpty {
            problems.error(
                at: location,
                "tunnel \"\(tunnel.path)\" wants an SA for each \(carriage.populated.value) and "
                    + "several SAs of the same traffic",
                hint: "remove sa-per-dscp or sa-per"
            )
        }
        if case .fixed = tunnel.dscp.value {
            problems.warning(
                at: location,
                "the packets of tunnel \"\(tunnel.path)\" have one DSCP outside, so that no router "
                    + "puts one class before another",
                hint: "write `dscp: copy`, or remove sa-per-dscp if nothing else on the way tells "
                    + "the classes apart"
            )
        }
    }
}
