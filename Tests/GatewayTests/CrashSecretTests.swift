import Foundation
import IPsecPrimitives
import Logging
import Testing

@testable internal import Gateway

@Suite("The secret of quick crash detection")
struct CrashSecretTests {
    @Test("is made once, is the same afterwards, and only its owner can read it")
    func survives() throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "crash-\(UUID())")
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.appending(path: "state/crash-secret").path()
        try FileManager.default.createDirectory(
            at: directory,
            withIntermediateDirectories: true
        )
        let logger = Logger(label: "test")
        let first = try #require(CrashSecret.load(logger, at: path))
        let second = try #require(CrashSecret.load(logger, at: path))
        #expect(first.count == 32 && first.isEqual(to: second))
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
    }

    @Test("is not used where it cannot be kept")
    func unwritable() {
        #expect(CrashSecret.load(Logger(label: "test"), at: "/proc/none/crash-secret") == nil)
    }
}
