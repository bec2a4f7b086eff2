/// A line of comma-separated fields, some in quotes.
enum CSVLine {
    static func fields(of line: some StringProtocol) -> [String] {
        var fields: [String] = []
        var field = ""
        var isQuoted = false
        for character in line {
            switch character {
            case "\"": isQuoted.toggle()
            case "," where !isQuoted:
                fields.append(field)
                field = ""
            case " ", "\t", "\r":
                if isQuoted { field.append(character) }
            default: field.append(character)
            }
        }
        return fields + [field]
    }
}
