import Foundation
import IPsecPrimitives
import Testing

@testable internal import Gateway

@Suite("A secret that outlives the gateway")
struct KeptSecretTests {
    @Test("is the same after a restart, and another when its time is over")
    func renewal() throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "kept-\(UUID())")
        defer { try? FileManager.default.removeItem(at: directory) }
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let path = directory.appending(path: "ticket-secret").path()
        let kept = KeptSecret(path: path, renewedAfter: 3600)
        let first = try #require(kept.load())
        let second = try #require(kept.load())
        #expect(first.isEqual(to: second))
        for offset in [-7200.0, 7200] {
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: offset)],
                ofItemAtPath: path
            )
            let third = try #require(kept.load())
            #expect(!first.isEqual(to: third))
        }
        #expect(KeptSecret(path: path, renewedAfter: nil).load() != nil)
    }
}
