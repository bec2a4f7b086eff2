package import Management

/// What `cygnet reload` came to, for people.
package struct ReloadText {
    private let status: ReloadStatus

    package init(_ status: ReloadStatus) {
        self.status = status
    }

    /// What is in force now; empty where nothing has changed because of an error.
    package var lines: [String] {
        guard status.isInForce else { return [] }
        let changed = status.changed.map { "\($0.name) (\($0.keys.joined(separator: ", ")))" }
        var lines = ["\(status.file) is in force"]
        func add(_ word: String, _ names: [String]) {
            if !names.isEmpty { lines.append("  \(word) \(names.joined(separator: ", "))") }
        }
        add("added  ", status.added)
        add("changed", changed)
        add("removed", status.removed)
        add("gateway", status.gatewayKeys)
        if status.policiesChanged { lines.append("  the order or the entries of policies changed") }
        add("kept   ", status.kept)
        return lines
    }

    /// Errors and warnings, as `cygnet check` writes them.
    package var complaints: [String] {
        var lines = status.problems.flatMap { problem in
            [(problem.place.map { "\($0): " } ?? "") + problem.text]
                + (problem.remedy.map { ["    hint: \($0)"] } ?? [])
        }
        if !status.isInForce {
            lines.append("\(status.file) cannot be used; the configuration in force stays")
        }
        return lines
    }
}
