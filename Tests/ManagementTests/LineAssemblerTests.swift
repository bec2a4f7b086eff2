import Management
import Testing

@Suite("Lines from a stream")
struct LineAssemblerTests {
    private func text(_ lines: [[UInt8]]) -> [String] {
        lines.map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func linesComeWhole() throws {
        var lines = LineAssembler(limit: 10)
        #expect(try text(lines.append("ab".utf8)) == [])
        #expect(try text(lines.append("c\nde\n\nf".utf8)) == ["abc", "de"])
        #expect(try text(lines.append("\n".utf8)) == ["f"])
    }

    @Test func everyCutGivesTheSameLines() throws {
        let stream = Array("one\ntwo\nthree\n".utf8)
        for cut in 0...stream.count {
            var lines = LineAssembler(limit: 5)
            let found = try lines.append(stream[..<cut]) + lines.append(stream[cut...])
            #expect(text(found) == ["one", "two", "three"])
        }
    }

    @Test func aLineTooLongIsRefused() throws {
        var lines = LineAssembler(limit: 4)
        #expect(try text(lines.append("1234\n".utf8)) == ["1234"])
        #expect(throws: ManagementError.lineTooLong(limit: 4)) { try lines.append("12345".utf8) }
    }
}
