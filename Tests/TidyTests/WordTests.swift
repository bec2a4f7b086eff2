import Testing

/// Words that a finished tree does not hold, and names that say nothing.
enum Words {
    /// Written in two parts, or this file would hold them.
    static let looseEnds = ["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]
    static let unfinished = [
        "fatalError(\"not " + "implemented", "fatalError(\"un" + "implemented",
    ]
    static let emptyNames = ["Util", "Helper", "Manager", "Misc", "Common"]

    static func violations(in files: [ProjectFile]) -> [Violation] {
        files.flatMap { file -> [Violation] in
            let name = file.path.split(separator: "/").last.map(String.init) ?? ""
            let named = emptyNames.filter(name.contains).map {
                Violation(path: file.path, line: 1, message: "\($0) is not a job")
            }
            let lines = file.text.split(separator: "\n", omittingEmptySubsequences: false)
            return named
                + lines.enumerated().flatMap { index, line -> [Violation] in
                    (looseEnds.filter { isWord($0, in: line) } + unfinished.filter(line.contains))
                        .map {
                            Violation(
                                path: file.path,
                                line: index + 1,
                                message: "a loose end: \($0)"
                            )
                        }
                }
        }
    }

    private static func isWord(_ word: String, in line: Substring) -> Bool {
        line.ranges(of: word).contains { range in
            !(line[..<range.lowerBound].last?.isLetter ?? false)
                && !(line[range.upperBound...].first?.isLetter ?? false)
        }
    }
}

@Suite struct WordTests {
    @Test func noLooseEndIsLeft() {
        #expect(Words.violations(in: Project.sources + Project.tests + Project.documents) == [])
    }

    @Test func aLooseEndIsFound() {
        let text = "let a = 1\n// \(Words.looseEnds[0]): later\nlet mastodons = 2\n"
        let file = ProjectFile(path: "Sources/A/A.swift", text: text)
        #expect(Words.violations(in: [file]).map(\.line) == [2])
    }

    @Test func anEmptyNameIsFound() {
        let file = ProjectFile(path: "Sources/A/PacketHelpers.swift", text: "")
        #expect(Words.violations(in: [file]).count == 1)
    }
}
