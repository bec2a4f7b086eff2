import Foundation

/// A file of the project, by its path from the root.
struct ProjectFile {
    let path: String
    let text: String
    /// The text without comments and strings, for Swift.
    let code: SourceText

    init(path: String, text: String) {
        self.path = path
        self.text = text
        code = SourceText(stripping: path.hasSuffix(".swift") ? text : "")
    }

    /// `IKEProtocol` for `Sources/IKEProtocol/…`; nil elsewhere.
    var module: String? {
        let parts = path.split(separator: "/")
        return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
    }

    /// The modules that it imports, with their lines.
    var imports: [(module: String, line: Int)] {
        code.lines.enumerated().compactMap { index, line in
            let words = line.split(separator: " ")
            guard let at = words.firstIndex(of: "import"), at + 1 < words.count,
                words[..<at].allSatisfy({ $0.hasPrefix("@") || ProjectFile.levels.contains($0) })
            else { return nil }
            let kinds: Set<Substring> = ["struct", "class", "enum", "func", "protocol", "var"]
            let named = kinds.contains(words[at + 1]) ? words.last ?? "" : words[at + 1]
            return (String(named.split(separator: ".")[0]), index + 1)
        }
    }

    private static let levels: Set<Substring> = [
        "public", "package", "internal", "private", "fileprivate",
    ]
}

/// One finding of a rule.
struct Violation: Equatable, CustomStringConvertible {
    let path: String
    let line: Int
    let message: String

    var description: String { "\(path):\(line): \(message)" }
}

/// The project as it is checked out around this test.
enum Project {
    static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static let sources = files(under: ["Sources"], suffix: ".swift")
    static let tests = files(under: ["Tests"], suffix: ".swift")
    static let documents =
        files(under: ["Documentation"], suffix: ".md") + files(under: ["."], suffix: ".md")

    static func file(_ path: String) -> ProjectFile? {
        (try? String(contentsOf: root.appending(path: path), encoding: .utf8))
            .map { ProjectFile(path: path, text: $0) }
    }

    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appending(path: path).path)
    }

    /// Every file with the suffix below the folders; `.` stands for the root alone.
    private static func files(under folders: [String], suffix: String) -> [ProjectFile] {
        let manager = FileManager.default
        let paths = folders.flatMap { folder -> [String] in
            guard folder != "." else {
                return (try? manager.contentsOfDirectory(atPath: root.path)) ?? []
            }
            let names = try? manager.subpathsOfDirectory(atPath: root.appending(path: folder).path)
            return (names ?? []).map { "\(folder)/\($0)" }
        }
        return paths.filter { $0.hasSuffix(suffix) }.sorted().compactMap(file)
    }
}
