import Configuration

/// A configuration that is right, around what a test wants to change.
enum Sample {
    static let tenLines = """
        connections:
          branch:
            local: {address: 192.0.2.1, id: a.example}
            remote: {address: 192.0.2.2, id: b.example}
            secret-file: branch.secret
            tunnels:
              net:
                local: 10.1.0.0/16
                remote: 10.2.0.0/16
        """

    /// The ten lines with further ones in the connection, beginning in line 6, column 5.
    static func connection(_ lines: String) -> String {
        tenLines.replacing(
            "    tunnels:",
            with: lines.split(separator: "\n").map { "    \($0)\n" }.joined()
                + "    tunnels:"
        )
    }

    /// The ten lines with further ones in the tunnel, beginning in line 10, column 9.
    static func tunnel(_ lines: String) -> String {
        tenLines + lines.split(separator: "\n").map { "\n        \($0)" }.joined()
    }

    /// The ten lines with others at the end, beginning in line 10, column 1.
    static func top(_ lines: String) -> String { tenLines + "\n" + lines }
}

func read(_ text: String, file: String = "a.yaml") -> ConfigurationResult {
    GatewayConfiguration.read(Array(text.utf8), file: file)
}

/// What a diagnostic must say.
struct Expected: Sendable, CustomStringConvertible {
    let text: String
    let line: Int
    let column: Int
    let message: String
    let hint: String

    init(_ text: String, _ line: Int, _ column: Int, _ message: String, hint: String) {
        self.text = text
        self.line = line
        self.column = column
        self.message = message
        self.hint = hint
    }

    var description: String { "\(line):\(column) \(message)" }

    func isFound(in result: ConfigurationResult) -> Bool {
        result.diagnostics.contains {
            $0.location.line == line && $0.location.column == column
                && $0.message.contains(message) && $0.hint.contains(hint)
        }
    }
}
