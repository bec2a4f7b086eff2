internal import Foundation
internal import LinuxIO
internal import Testing

struct UnixListenerTests {
    private let folder = FileManager.default.temporaryDirectory
        .appendingPathComponent("cygnet-\(UUID().uuidString.prefix(8))").path

    /// /run is empty after a boot, and a gateway that is started by hand has nobody to fill it.
    @Test func makesTheDirectoryOfItsSocket() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/control.sock"
        do {
            let listener = try UnixListener(path: path)
            #expect(listener.path == path)
            #expect(FileManager.default.fileExists(atPath: path))
        }
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test func leavesMissingParentsAlone() {
        #expect(throws: SystemCallFailure.self) {
            _ = try UnixListener(path: folder + "/no/control.sock")
        }
        #expect(!FileManager.default.fileExists(atPath: folder))
    }
}
