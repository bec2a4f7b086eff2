internal import Gateway
internal import Glibc
internal import IPsecPrimitives
internal import NamespaceTesting
internal import Testing

@Suite struct SecretFileTests {
    /// Writes `content` to a new file with the permissions `mode` and lends its path.
    private func withFile(
        _ content: [UInt8],
        mode: mode_t = 0o600,
        _ body: (String) throws -> Void
    ) throws {
        let folder = makeTemporaryFolder(for: "secret")
        let path = folder + "/secret"
        let descriptor = unsafe open(path, O_CREAT | O_EXCL | O_WRONLY, 0o600)
        try #require(descriptor >= 0)
        defer {
            unsafe unlink(path)
            unsafe rmdir(folder)
        }
        _ = unsafe content.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
        fchmod(descriptor, mode)
        close(descriptor)
        try body(path)
    }

    @Test(arguments: [
        ("swan-lake", "swan-lake"), ("swan-lake\n", "swan-lake"), ("swan-lake\r\n", "swan-lake"),
        ("0x6162", "ab"), ("0sYWI=", "ab"), ("0sYWJj", "abc"), (" spaces count ", " spaces count "),
    ])
    func readsEachForm(_ pair: (String, String)) throws {
        try withFile(Array(pair.0.utf8)) { path in
            let secret = try SecretFile.load(path)
            #expect(secret.copy() == Array(pair.1.utf8))
        }
    }

    @Test(arguments: ["", "\n", "0x6", "0xzz", "0x", "0sYWI", "0sY===", "0s!!!!"])
    func refusesWhatIsNoSecret(_ text: String) throws {
        try withFile(Array(text.utf8)) { path in
            #expect(throws: SecretFile.Refusal.self) { try SecretFile.load(path) }
        }
    }

    @Test(arguments: [mode_t(0o640), 0o604, 0o644, 0o620])
    func refusesAFileThatOthersCanTouch(_ mode: mode_t) throws {
        try withFile(Array("swan-lake".utf8), mode: mode) { path in
            let refusal = #expect(throws: SecretFile.Refusal.self) { try SecretFile.load(path) }
            #expect(refusal?.remedy == "chmod 600 \(path)")
        }
    }

    @Test func refusesWhatIsMissingHugeOrNoFile() throws {
        #expect(throws: SecretFile.Refusal.self) { try SecretFile.load("/tmp/cygnet-no-such-file") }
        #expect(throws: SecretFile.Refusal.self) { try SecretFile.load("/tmp") }
        try withFile(Array(repeating: 65, count: 5000)) { path in
            #expect(throws: SecretFile.Refusal.self) { try SecretFile.load(path) }
        }
    }
}
