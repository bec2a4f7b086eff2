/// Cuts a stream of bytes into lines of bounded length.
package struct LineAssembler: Sendable {
    private let limit: Int
    private var pending: [UInt8] = []

    /// - Parameter limit: longest line in bytes, newline not counted.
    package init(limit: Int) {
        self.limit = limit
    }

    /// Takes the next bytes of the stream and returns the lines that they complete.
    ///
    /// After an error the stream has lost its step and must be closed.
    package mutating func append(
        _ bytes: some Sequence<UInt8>
    ) throws(ManagementError) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        for byte in bytes {
            if byte == 0x0A {
                if !pending.isEmpty { lines.append(pending) }
                pending.removeAll(keepingCapacity: true)
            } else {
                guard pending.count < limit else { throw .lineTooLong(limit: limit) }
                pending.append(byte)
            }
        }
        return lines
    }
}
