import Testing

/// The protocol modules read no clock, draw no randomness and do no input or output: time and
/// randomness are arguments, and what is to be done comes out as values.
enum Purity {
    static let modules: Set<String> = [
        "IPsecPrimitives", "IPsecCrypto", "IKEMessages", "IKECredentials", "IKEProtocol",
        "PacketProtection", "ConnectionControl", "Configuration", "Simulation",
    ]

    /// The one place where the system's randomness enters.
    static let randomSource = "Sources/IPsecPrimitives/Randomness/RandomSource.swift"

    static let imports: Set<String> = [
        "Glibc", "Musl", "Foundation", "Dispatch", "CLinux", "LinuxIO", "Logging",
    ]

    static let names = [
        "SystemRandomNumberGenerator", "ContinuousClock", "SuspendingClock", "DispatchTime",
        "FileManager", "FileHandle", "ProcessInfo", "Thread", "Date(", "Date.now", "Task.sleep",
        "print(", "readLine(", "getenv(", "clock_gettime(", "randomElement()", "shuffled()",
        "shuffle()",
    ]

    static func violations(in files: [ProjectFile]) -> [Violation] {
        files.filter { modules.contains($0.module ?? "") }.flatMap { file -> [Violation] in
            let imported = file.imports.filter { imports.contains($0.module) }.map {
                Violation(path: file.path, line: $0.line, message: "imports \($0.module)")
            }
            return imported + named(in: file)
        }
    }

    private static func named(in file: ProjectFile) -> [Violation] {
        file.code.lines.enumerated().flatMap { index, line -> [Violation] in
            let found = names.filter { contains(line, name: $0) }
            let drawn =
                line.contains(".random(in:") && !line.contains("using:") ? ["random(in:)"] : []
            return (found + drawn).filter {
                !(file.path == randomSource && $0 == "SystemRandomNumberGenerator")
            }.map {
                Violation(path: file.path, line: index + 1, message: "names \($0)")
            }
        }
    }

    /// Whether the line has the name as a word of its own.
    private static func contains(_ line: String, name: String) -> Bool {
        line.ranges(of: name).contains { range in
            let before = line[..<range.lowerBound].last
            return !(before?.isLetter ?? false) && before != "_" && before != "."
                && (name.hasSuffix("(") || name.hasSuffix(")")
                    || !(line[range.upperBound...].first?.isLetter ?? false))
                || (before == "." && name.hasSuffix("()"))
        }
    }
}

@Suite struct PurityTests {
    @Test func theProtocolModulesArePure() {
        #expect(Purity.violations(in: Project.sources) == [])
    }

    @Test(arguments: [
        "import Foundation", "internal import Glibc", "let now = ContinuousClock().now",
        "var generator = SystemRandomNumberGenerator()", "let n = Int.random(in: 0..<4)",
        "print(\"here\")", "let first = list.randomElement()",
    ])
    func whatIsImpureIsFound(line: String) {
        let file = ProjectFile(path: "Sources/IKEProtocol/Bad.swift", text: "\n\(line)\n")
        #expect(Purity.violations(in: [file]).map(\.line) == [2])
    }

    @Test func theShellMayDoIt() {
        let file = ProjectFile(path: "Sources/Gateway/Clock.swift", text: "import Glibc\n")
        #expect(Purity.violations(in: [file]) == [])
    }

    @Test func randomnessHandedInIsPure() {
        let file = ProjectFile(
            path: "Sources/IKEProtocol/Good.swift",
            text: "let n = Int.random(in: 0..<4, using: &random)\nfingerprint(n)\n"
        )
        #expect(Purity.violations(in: [file]) == [])
    }

    @Test func onlyTheRandomSourceMayDraw() {
        let text = "var generator = SystemRandomNumberGenerator()\n"
        let source = ProjectFile(path: Purity.randomSource, text: text)
        let other = ProjectFile(path: "Sources/IPsecPrimitives/Other.swift", text: text)
        #expect(Purity.violations(in: [source, other]).map(\.path) == [other.path])
        #expect(Project.exists(Purity.randomSource))
    }
}
