/// Bytes written as hexadecimal text: plain, with separators, or as xxd and tcpdump print them.
package enum HexText {
    /// Nil when the text is something else.
    package static func bytes(of text: String) -> [UInt8]? {
        var result: [UInt8] = []
        for line in text.split(whereSeparator: \.isNewline) {
            guard let bytes = bytes(ofLine: line) else { return nil }
            result += bytes
        }
        return result.isEmpty ? nil : result
    }

    private static func bytes(ofLine line: Substring) -> [UInt8]? {
        var line = line
        // An offset: `00000010: ` or tcpdump's `\t0x0010:  `.
        if let colon = line.firstIndex(of: ":"),
            line[line.index(after: colon)...].first?.isWhitespace == true
        {
            line = line[line.index(after: colon)...]
        }
        line = line.drop(while: \.isWhitespace)
        // A column of characters stands behind two spaces.
        if let column = line.firstRange(of: "  ") { line = line[..<column.lowerBound] }
        if line.hasPrefix("0x") { line = line.dropFirst(2) }
        var digits: [UInt8] = []
        for character in line where !character.isWhitespace && character != ":" {
            guard character.isASCII, let digit = character.hexDigitValue else { return nil }
            digits.append(UInt8(digit))
        }
        guard digits.count % 2 == 0 else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
