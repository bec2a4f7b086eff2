import Foundation
import IPsecPrimitives
import Testing

/// The bytes of a hexadecimal string; white space is skipped.
func hex(_ text: String) -> [UInt8] {
    let digits = text.filter { !$0.isWhitespace }.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count - 1, by: 2).map {
        UInt8(digits[$0] << 4 | digits[$0 + 1])
    }
}

func loadVectors<Content: Decodable>(_ name: String, as type: Content.Type) throws -> Content {
    let url = try #require(
        Bundle.module.url(forResource: name, withExtension: "json", subdirectory: "Vectors")
    )
    return try JSONDecoder().decode(Content.self, from: Data(contentsOf: url))
}

/// A file of Project Wycheproof.
struct Wycheproof<Group: Decodable>: Decodable {
    let numberOfTests: Int
    let testGroups: [Group]
}

/// Hands out given bytes, so that a key pair of known private value can be made.
struct FixedRandomSource: RandomSource {
    var content: [UInt8]

    mutating func bytes(_ count: Int) -> [UInt8] {
        defer { content.removeFirst(min(count, content.count)) }
        return Array(content.prefix(count))
    }
}
