/// Reads the entries of one mapping and reports what does not belong there.
struct MappingReader {
    let location: SourceLocation
    /// For sentences: `connection "branch"`.
    let subject: String
    let problems: Problems
    private let values: [String: YAMLNode]
    /// Keys that a misspelt one probably meant: not to be called missing as well.
    private let misspelt: Set<String>

    /// Nil, and reported, when `node` is no mapping. Nothing at all is an empty mapping.
    init?(_ node: YAMLNode, subject: String, keys: [String], problems: Problems) {
        guard let entries = MappingReader.entries(of: node, subject: subject, problems: problems)
        else { return nil }
        location = node.location
        self.subject = subject
        self.problems = problems
        var values: [String: YAMLNode] = [:]
        var misspelt: Set<String> = []
        for entry in entries {
            if keys.contains(entry.key) {
                values[entry.key] = entry.value
            } else {
                let meant = MappingReader.reportUnknown(entry, subject, keys, problems)
                if let meant { misspelt.insert(meant) }
            }
        }
        self.values = values
        self.misspelt = misspelt
    }

    /// The entries of a mapping whose keys the user chooses or the caller knows, duplicates
    /// reported and left out.
    static func entries(
        of node: YAMLNode,
        subject: String,
        problems: Problems
    ) -> [YAMLEntry]? {
        guard case .mapping(let entries) = node.content else {
            if case .null = node.content { return [] }
            problems.error(
                at: node.location,
                "\(subject) is \(node.kind), but needs keys and values",
                hint: "write `key: value` lines, indented below it"
            )
            return nil
        }
        var first: [String: SourceLocation] = [:]
        return entries.filter { entry in
            if let earlier = first[entry.key] {
                problems.error(
                    at: entry.keyLocation,
                    "\"\(shown(entry.key))\" stands twice in \(subject)",
                    hint: "remove one; the first is on line \(earlier.line)"
                )
                return false
            }
            first[entry.key] = entry.keyLocation
            return true
        }
    }

    /// The key that was probably meant.
    private static func reportUnknown(
        _ entry: YAMLEntry,
        _ subject: String,
        _ keys: [String],
        _ problems: Problems
    ) -> String? {
        guard !problems.isFull else { return nil }
        let near = NearestWord.to(entry.key, among: keys)
        let hint: String =
            if let foreign = ForeignKey.hint(for: entry.key) {
                foreign
            } else if let near {
                "did you mean \"\(near)\"?"
            } else {
                "known keys are \(keys.joined(separator: ", "))"
            }
        problems.error(
            at: entry.keyLocation,
            "unknown key \"\(shown(entry.key))\" in \(subject)",
            hint: hint
        )
        return near
    }

    /// Reports that `key` is missing, unless a misspelt one was reported in its place.
    func reportMissing(_ key: String, hint: String) {
        guard !misspelt.contains(key) else { return }
        problems.error(at: location, "\(subject) has no \"\(key)\"", hint: hint)
    }

    func node(_ key: String) -> YAMLNode? { values[key] }

    /// Where `key`'s value stands, or the mapping where it could.
    func location(of key: String) -> SourceLocation { values[key]?.location ?? location }

    /// The value of `key`, or `fallback` when it is absent or wrong, which is reported.
    func value<Value: Sendable>(
        _ key: String,
        default fallback: Value,
        _ parse: (String) throws(Complaint) -> Value
    ) -> Located<Value> {
        guard let node = values[key] else { return Located(fallback, at: location) }
        return scalar(node, named: key, parse) ?? Located(fallback, at: node.location)
    }

    /// The value of `key`; nil, and reported, when it is absent or wrong.
    func required<Value: Sendable>(
        _ key: String,
        hint: String,
        _ parse: (String) throws(Complaint) -> Value
    ) -> Located<Value>? {
        guard let node = values[key] else {
            reportMissing(key, hint: hint)
            return nil
        }
        return scalar(node, named: key, parse)
    }

    /// The values of `key`, which may be one or a list; nil when it is absent. Wrong ones are
    /// reported and left out.
    func list<Value: Sendable>(
        _ key: String,
        atMost limit: Int,
        _ parse: (String) throws(Complaint) -> Value
    ) -> [Located<Value>]? {
        values[key].map { list($0, named: key, atMost: limit, parse) }
    }

    /// As above for a node that is part of what stands at `key`.
    func list<Value: Sendable>(
        _ node: YAMLNode,
        named key: String,
        atMost limit: Int,
        _ parse: (String) throws(Complaint) -> Value
    ) -> [Located<Value>] {
        guard case .sequence(let items) = node.content else {
            return scalar(node, named: key, parse).map { [$0] } ?? []
        }
        if items.isEmpty || items.count > limit {
            problems.error(
                at: node.location,
                "\"\(key)\" in \(subject) has \(items.count) entries",
                hint: "write 1 to \(limit) entries"
            )
        }
        return items.prefix(limit).compactMap { scalar($0, named: key, parse) }
    }

    private func scalar<Value: Sendable>(
        _ node: YAMLNode,
        named key: String,
        _ parse: (String) throws(Complaint) -> Value
    ) -> Located<Value>? {
        guard case .scalar(let text) = node.content else {
            problems.error(
                at: node.location,
                "\"\(key)\" in \(subject) is \(node.kind)",
                hint: "write a single value after `\(key):`"
            )
            return nil
        }
        do throws(Complaint) {
            return Located(try parse(text), at: node.location)
        } catch {
            problems.error(at: node.location, "\"\(key)\": \(error.message)", hint: error.hint)
            return nil
        }
    }
}

/// Text from the file, fit for one line of output.
func shown(_ text: String) -> String {
    let scalars = text.unicodeScalars.prefix(60).map { scalar in
        scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) ? "?" : Character(scalar)
    }
    return String(scalars) + (text.unicodeScalars.count > 60 ? "…" : "")
}
