import Testing

/// Who may step outside of what the compiler proves. A file that leaves a list or joins it is a
/// decision that a reviewer sees.
enum Safety {
    static func violations(
        in files: [ProjectFile],
        unchecked: Set<String>,
        unsafe: Set<String>
    ) -> [Violation] {
        files.flatMap { file -> [Violation] in
            let saysUnchecked = firstLine(of: file) { $0.contains("@unchecked") }
            let saysUnsafe = firstLine(of: file, where: isUnsafe)
            return [
                check(file, saysUnchecked, unchecked, "@unchecked Sendable"),
                check(file, saysUnsafe, unsafe, "unsafe"),
            ].compactMap { $0 }
        }
    }

    /// Entries of a list whose file is gone or no longer needs it.
    static func stale(
        _ list: Set<String>,
        in files: [ProjectFile],
        where condition: (String) -> Bool
    ) -> [String] {
        let saying = Set(files.filter { firstLine(of: $0, where: condition) != nil }.map(\.path))
        return list.subtracting(saying).sorted()
    }

    static func isUnsafe(_ line: String) -> Bool {
        line.split { !$0.isLetter && $0 != "_" && $0 != "@" && !$0.isNumber }
            .contains { $0 == "unsafe" || $0 == "@unsafe" }
    }

    private static func firstLine(
        of file: ProjectFile,
        where condition: (String) -> Bool
    ) -> Int? {
        file.code.lines.firstIndex(where: condition).map { $0 + 1 }
    }

    private static func check(
        _ file: ProjectFile,
        _ line: Int?,
        _ allowed: Set<String>,
        _ word: String
    ) -> Violation? {
        guard let line, !allowed.contains(file.path) else { return nil }
        return Violation(path: file.path, line: line, message: "is not on the list for \(word)")
    }
}

@Suite struct SafetyTests {
    @Test func onlyListedFilesAreUnsafe() {
        let found = Safety.violations(
            in: Project.sources,
            unchecked: AllowedFiles.uncheckedSendable,
            unsafe: AllowedFiles.unsafe
        )
        #expect(found == [])
    }

    @Test func theListsHoldNothingElse() {
        let files = Project.sources
        #expect(
            Safety.stale(AllowedFiles.uncheckedSendable, in: files) { $0.contains("@unchecked") }
                == []
        )
        #expect(Safety.stale(AllowedFiles.unsafe, in: files, where: Safety.isUnsafe) == [])
    }

    @Test func anUnlistedFileIsFound() {
        let text =
            "// unsafe in words only\nlet a = unsafe b\nfinal class C: @unchecked Sendable {}\n"
        let file = ProjectFile(path: "Sources/IKEProtocol/Bad.swift", text: text)
        let found = Safety.violations(in: [file], unchecked: [], unsafe: [])
        #expect(found.map(\.line) == [3, 2])
        #expect(
            Safety.violations(in: [file], unchecked: [file.path], unsafe: [file.path]) == []
        )
    }

    @Test func aStaleEntryIsFound() {
        #expect(Safety.stale(["Sources/A/Gone.swift"], in: [], where: Safety.isUnsafe).count == 1)
    }
}
