import Testing

@testable import Configuration

@Suite("How an IKE SA behaves")
struct ConductTests {
    private func connection(_ lines: String) throws -> ConnectionConfiguration {
        let result = read(Sample.connection(lines))
        #expect(result.diagnostics == [])
        return try #require(result.configuration?.connections.first)
    }

    @Test func theWindowIsRead() throws {
        #expect(try connection("window: 16").window.value == 16)
        #expect(try connection("liveness: off").window.value == 8)
    }

    @Test func duplicatesAndReauthenticationAreRead() throws {
        let changed = try connection("duplicates: refuse\nreauthenticate-after: 8h")
        #expect(changed.duplicates.value == .refuse)
        #expect(changed.reauthenticateAfter.value == .seconds(8 * 3600))
        let plain = try connection("reauthenticate-after: off")
        #expect(plain.duplicates.value == .replace)
        #expect(plain.reauthenticateAfter.value == nil)
    }

    @Test(arguments: [
        "duplicates: forbid", "reauthenticate-after: 10s", "window: 0", "window: 65",
        "window: many",
    ])
    func wrongWindows(line: String) {
        let result = read(Sample.connection(line))
        #expect(result.configuration == nil && result.diagnostics.count == 1)
        #expect(result.diagnostics.first?.location.line == 6)
    }
}
