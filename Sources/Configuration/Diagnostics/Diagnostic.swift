/// One thing that is wrong, or doubtful, in a configuration.
package struct Diagnostic: Error, Hashable, Sendable {
    package enum Severity: String, Hashable, Sendable {
        /// The configuration cannot be used.
        case error
        /// The configuration can be used, but probably does not say what was meant.
        case warning
    }

    package let severity: Severity
    package let location: SourceLocation
    /// What is wrong.
    package let message: String
    /// What would be right.
    package let hint: String

    package init(
        _ severity: Severity,
        at location: SourceLocation,
        _ message: String,
        hint: String
    ) {
        self.severity = severity
        self.location = location
        self.message = message
        self.hint = hint
    }
}

extension Diagnostic: CustomStringConvertible {
    /// `a.yaml:12:7: error: …` and below it the hint.
    package var description: String {
        "\(location): \(severity.rawValue): \(message)\n    hint: \(hint)"
    }
}
