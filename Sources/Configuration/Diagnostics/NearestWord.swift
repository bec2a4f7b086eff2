/// Finds the word that was probably meant.
enum NearestWord {
    /// Longer words are not compared: nobody means a key by them.
    private static let longest = 64

    /// The candidate with the fewest edits from `word`; nil when none is near.
    static func to(_ word: String, among candidates: some Sequence<String>) -> String? {
        let plain = normalised(word)
        guard plain.count <= longest else { return nil }
        let best = candidates.map { (word: $0, edits: distance(plain, normalised($0))) }
            .min { $0.edits < $1.edits }
        guard let best, best.edits <= max(1, min(plain.count, best.word.count) / 3) else {
            return nil
        }
        return best.word
    }

    /// Underscores and capitals are slips, not edits.
    private static func normalised(_ word: String) -> [UInt8] {
        word.lowercased().utf8.map { $0 == UInt8(ascii: "_") ? UInt8(ascii: "-") : $0 }
    }

    /// Insertions, deletions, replacements and swaps of neighbours that turn one into the other.
    static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var beforePrevious = [Int](repeating: 0, count: right.count + 1)
        var previous = Array(0...right.count)
        for row in 0..<left.count {
            var current = [row + 1] + [Int](repeating: 0, count: right.count)
            for column in 0..<right.count {
                let same = left[row] == right[column]
                current[column + 1] = min(
                    previous[column] + (same ? 0 : 1),
                    previous[column + 1] + 1,
                    current[column] + 1
                )
                if row > 0, column > 0, left[row] == right[column - 1],
                    left[row - 1] == right[column]
                {
                    current[column + 1] = min(current[column + 1], beforePrevious[column - 1] + 1)
                }
            }
            beforePrevious = previous
            previous = current
        }
        return previous[right.count]
    }
}
