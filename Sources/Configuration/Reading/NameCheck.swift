/// The names that the file gives to its connections and tunnels.
enum NameCheck {
    static func passes(_ entry: YAMLEntry, _ what: String, _ problems: Problems) -> Bool {
        guard WordText.isName(entry.key) else {
            problems.error(
                at: entry.keyLocation,
                "\"\(shown(entry.key))\" cannot be a \(what)'s name",
                hint: "write 1 to 64 letters, digits, dots, dashes or underscores"
            )
            return false
        }
        return true
    }
}
