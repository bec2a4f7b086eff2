import Testing

/// A file holds one job and a function fits on a page.
enum Size {
    static let fileLines = 600
    static let functionLines = 70

    static func violations(in files: [ProjectFile]) -> [Violation] {
        files.flatMap { file -> [Violation] in
            let lines = file.text.split(separator: "\n", omittingEmptySubsequences: false).count - 1
            var found = functions(in: file).filter { $0.lines > functionLines }.map {
                Violation(
                    path: file.path,
                    line: $0.start,
                    message: "\($0.name) has \($0.lines) lines, more than \(functionLines)"
                )
            }
            if lines > fileLines {
                found.append(
                    Violation(
                        path: file.path,
                        line: 1,
                        message: "the file has \(lines) lines, more than \(fileLines)"
                    )
                )
            }
            return found
        }
    }

    struct Function: Equatable {
        let name: String
        let start: Int
        let lines: Int
    }

    /// Every function, initialiser and subscript with a body, by brace matching.
    static func functions(in file: ProjectFile) -> [Function] {
        let lines = file.code.lines
        return lines.indices.compactMap { start in
            guard let name = declaredName(in: lines[start]) else { return nil }
            return bodyEnd(of: lines, from: start).map {
                Function(name: name, start: start + 1, lines: $0 - start + 1)
            }
        }
    }

    private static let modifiers: Set<Substring> = [
        "public", "package", "internal", "private", "fileprivate", "static", "final", "override",
        "mutating", "nonmutating", "consuming", "borrowing", "convenience", "required",
        "nonisolated", "unsafe", "indirect", "class",
    ]

    private static func declaredName(in line: String) -> String? {
        let words = line.split(separator: " ").drop { word in
            word.hasPrefix("@") || modifiers.contains(word)
        }
        guard let first = words.first else { return nil }
        let bare = first.prefix { $0.isLetter }
        if first == "func", words.count > 1 {
            return String(words[words.startIndex + 1].prefix { $0 != "(" && $0 != "<" })
        }
        let isDeclaration =
            first.contains("(") || first.contains("<") || first.contains("{")
            || words.dropFirst().first == "{"
        return ["init", "deinit", "subscript"].contains(bare) && isDeclaration
            ? String(bare) : nil
    }

    /// The line of the closing brace; nil for a requirement without a body.
    private static func bodyEnd(of lines: [String], from start: Int) -> Int? {
        var braces = 0
        var parentheses = 0
        var hasBody = false
        for index in start..<lines.count {
            for character in lines[index] {
                switch character {
                case "(": parentheses += 1
                case ")": parentheses -= 1
                case "{":
                    braces += 1
                    hasBody = hasBody || parentheses == 0
                case "}": braces -= 1
                default: break
                }
                if hasBody, braces == 0 { return index }
                if braces < 0 { return nil }
            }
            let isBlank = lines[index].allSatisfy(\.isWhitespace)
            if !hasBody, isBlank, parentheses == 0 { return nil }
        }
        return nil
    }
}

@Suite struct SizeTests {
    @Test func filesAndFunctionsAreSmall() {
        #expect(Size.violations(in: Project.sources + Project.tests) == [])
    }

    @Test func aLongFunctionIsFound() {
        let body = String(repeating: "    work(\"}\") // }\n", count: Size.functionLines)
        let text = "struct S {\n  package static func long(\n    a: Int\n  ) {\n\(body)  }\n}\n"
        let file = ProjectFile(path: "Sources/A/A.swift", text: text)
        #expect(Size.violations(in: [file]).map(\.line) == [2])
    }

    @Test func aFunctionOfTheLimitIsNot() {
        let body = String(repeating: "    work { $0 }\n", count: Size.functionLines - 2)
        let file = ProjectFile(path: "Sources/A/A.swift", text: "func f() {\n\(body)}\n")
        #expect(Size.violations(in: [file]) == [])
        #expect(Size.functions(in: file).map(\.lines) == [Size.functionLines])
    }

    @Test func aLongFileIsFound() {
        let text = String(repeating: "\n", count: Size.fileLines + 1)
        let file = ProjectFile(path: "Sources/A/A.swift", text: text)
        #expect(Size.violations(in: [file]).count == 1)
    }

    @Test func aRequirementHasNoBody() {
        let text = "protocol P {\n  func a()\n\n  init()\n\n  func b()\n}\n"
        let file = ProjectFile(path: "Sources/A/A.swift", text: text)
        #expect(Size.functions(in: file) == [])
    }
}
