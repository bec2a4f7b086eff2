/// Swift source with its comments and string literals blanked, line breaks kept.
struct SourceText {
    let bytes: [UInt8]

    init(stripping text: String) {
        var stripper = Stripper(Array(text.utf8))
        bytes = stripper.stripped()
    }

    var lines: [String] {
        bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }
}

/// Walks over source once and blanks what is not code.
private struct Stripper {
    private var bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func stripped() -> [UInt8] {
        while position < bytes.count {
            if matches("//") {
                blank(while: { $0 != UInt8(ascii: "\n") })
            } else if matches("/*") {
                blankBlockComment()
            } else if let hashes = rawStringHashes() {
                blankString(hashes: hashes)
            } else {
                position += 1
            }
        }
        return bytes
    }

    private func matches(_ text: StaticString, at offset: Int = 0) -> Bool {
        let wanted = Array("\(text)".utf8)
        let start = position + offset
        return start + wanted.count <= bytes.count
            && bytes[start..<start + wanted.count].elementsEqual(wanted)
    }

    private mutating func blankOne() {
        if bytes[position] != UInt8(ascii: "\n") { bytes[position] = UInt8(ascii: " ") }
        position += 1
    }

    private mutating func blank(while condition: (UInt8) -> Bool) {
        while position < bytes.count, condition(bytes[position]) { blankOne() }
    }

    private mutating func blankBlockComment() {
        var depth = 0
        repeat {
            if matches("/*") {
                depth += 1
                blankOne()
            } else if matches("*/") {
                depth -= 1
                blankOne()
            }
            if position < bytes.count { blankOne() }
        } while depth > 0 && position < bytes.count
    }

    /// The number of `#` before a string that begins here; nil where none begins.
    private func rawStringHashes() -> Int? {
        var end = position
        while end < bytes.count, bytes[end] == UInt8(ascii: "#") { end += 1 }
        return end < bytes.count && bytes[end] == UInt8(ascii: "\"") ? end - position : nil
    }

    private mutating func blankString(hashes: Int) {
        for _ in 0..<hashes { blankOne() }
        let isMultiline = matches("\"\"\"")
        let quotes = isMultiline ? 3 : 1
        for _ in 0..<quotes { blankOne() }
        let ending = Array(
            (String(repeating: "\"", count: quotes) + String(repeating: "#", count: hashes)).utf8
        )
        while position < bytes.count {
            if bytes[position...].starts(with: ending) {
                for _ in ending { blankOne() }
                return
            }
            if bytes[position] == UInt8(ascii: "\\"), hashes == 0 {
                blankOne()
                if position < bytes.count, bytes[position] == UInt8(ascii: "(") {
                    blankInterpolation()
                } else if position < bytes.count {
                    blankOne()
                }
            } else if !isMultiline, bytes[position] == UInt8(ascii: "\n") {
                return
            } else {
                blankOne()
            }
        }
    }

    private mutating func blankInterpolation() {
        var depth = 0
        repeat {
            switch bytes[position] {
            case UInt8(ascii: "("): depth += 1
            case UInt8(ascii: ")"): depth -= 1
            case UInt8(ascii: "\""):
                blankString(hashes: 0)
                continue
            default: break
            }
            blankOne()
        } while depth > 0 && position < bytes.count
    }
}
