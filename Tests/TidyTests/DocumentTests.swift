import Testing

/// The documents name only commands and files that exist.
enum Documents {
    /// The subcommands of `cygnet`, from their declarations.
    static func commands(in files: [ProjectFile]) -> Set<String> {
        let pattern = /commandName:\s*"([a-z-]+)"/
        return Set(
            files.filter { $0.module == "cygnet" }
                .flatMap { $0.text.matches(of: pattern).map { String($0.1) } }
        ).union(["help"])
    }

    static func violations(in documents: [ProjectFile], commands: Set<String>) -> [Violation] {
        documents.flatMap { document -> [Violation] in
            var isInBlock = false
            return document.text.split(separator: "\n", omittingEmptySubsequences: false)
                .enumerated().flatMap { index, line -> [Violation] in
                    if line.hasPrefix("```") { isInBlock.toggle() }
                    let code = isInBlock ? [String(line)] : spans(in: line)
                    return code.flatMap { wrong(in: $0, commands: commands) }.map {
                        Violation(path: document.path, line: index + 1, message: $0)
                    }
                }
        }
    }

    /// What stands between backquotes.
    private static func spans(in line: Substring) -> [String] {
        line.matches(of: /`([^`]+)`/).map { String($0.1) }
    }

    private static func wrong(in code: String, commands: Set<String>) -> [String] {
        let unknown = code.matches(of: /(?:^|[\s|(\/])cygnet ([a-z][a-z-]*)(?![a-z.\/])/)
            .map { String($0.1) }.filter { !commands.contains($0) }
            .map { "there is no command `cygnet \($0)`" }
        let missing = code.matches(
            of:
                /(?:^|[\s(])((?:scripts|Examples|Documentation|Tests|Sources|packaging)\/[A-Za-z0-9_.\/-]+)/
        )
        .map { String($0.1) }.filter { !Project.exists($0) }
        .map { "there is no \($0)" }
        return unknown + missing
    }
}

@Suite struct DocumentTests {
    @Test func documentsNameWhatExists() {
        let commands = Documents.commands(in: Project.sources)
        #expect(Documents.violations(in: Project.documents, commands: commands) == [])
    }

    @Test func anInventedCommandIsFound() {
        let text = "Run `cygnet fly --high` or `cygnet run`.\n```\nsudo cygnet swim\n```\n"
        let file = ProjectFile(path: "A.md", text: text)
        #expect(Documents.violations(in: [file], commands: ["run"]).map(\.line) == [1, 3])
    }

    @Test func anInventedScriptIsFound() {
        let file = ProjectFile(
            path: "A.md",
            text: "See `scripts/never-written` and `scripts/test`.\n"
        )
        #expect(Documents.violations(in: [file], commands: []).map(\.line) == [1])
    }
}
