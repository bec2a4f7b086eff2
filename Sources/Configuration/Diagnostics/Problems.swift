/// Collects what is wrong while a configuration is read, so that all of it is told at once.
final class Problems {
    /// Enough to work on; a file with more is the wrong file.
    static let limit = 100

    private(set) var found: [Diagnostic] = []

    /// Whether more would not be told: no work should go into saying it.
    var isFull: Bool { found.count >= Problems.limit && hasErrors }

    var hasErrors: Bool { found.contains { $0.severity == .error } }

    func error(at location: SourceLocation, _ message: String, hint: String) {
        add(Diagnostic(.error, at: location, message, hint: hint))
    }

    func warning(at location: SourceLocation, _ message: String, hint: String) {
        add(Diagnostic(.warning, at: location, message, hint: hint))
    }

    func add(_ diagnostic: Diagnostic) {
        // An error is never lost to warnings: it alone decides whether the file can be used.
        if found.count < Problems.limit {
            found.append(diagnostic)
        } else if diagnostic.severity == .error, !hasErrors {
            found[Problems.limit - 1] = diagnostic
        }
    }

    /// In the order of the file.
    var sorted: [Diagnostic] {
        found.enumerated().sorted {
            ($0.element.location, $0.offset) < ($1.element.location, $1.offset)
        }.map(\.element)
    }
}

/// What is wrong with one value, before its place is known.
struct Complaint: Error {
    let message: String
    let hint: String

    init(_ message: String, hint: String) {
        self.message = message
        self.hint = hint
    }
}
