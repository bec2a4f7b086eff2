/// A place in a configuration file.
package struct SourceLocation: Hashable, Sendable {
    /// The file's name, as it was given to the reader.
    package let file: String
    /// Counted from 1.
    package let line: Int
    /// In Unicode scalars, counted from 1.
    package let column: Int

    package init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }
}

extension SourceLocation: Comparable {
    package static func < (left: SourceLocation, right: SourceLocation) -> Bool {
        (left.file, left.line, left.column) < (right.file, right.line, right.column)
    }
}

extension SourceLocation: CustomStringConvertible {
    /// `gateway.yaml:12:7`, as compilers write it.
    package var description: String { "\(file):\(line):\(column)" }
}

/// A value of the configuration and the place to change it.
package struct Located<Value: Sendable>: Sendable {
    package let value: Value
    /// Where the value stands; for a default, where the enclosing entry begins.
    package let location: SourceLocation

    package init(_ value: Value, at location: SourceLocation) {
        self.value = value
        self.location = location
    }
}

// Two are equal when their values are, wherever they stand: lines that move change nothing.
extension Located: Equatable where Value: Equatable {
    package static func == (left: Located, right: Located) -> Bool { left.value == right.value }
}

extension Located: Hashable where Value: Hashable {
    package func hash(into hasher: inout Hasher) { hasher.combine(value) }
}
