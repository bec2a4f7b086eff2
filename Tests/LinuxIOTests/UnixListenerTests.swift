internal import Foundation
internal import Glibc
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

    private func make() throws -> String {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        return folder + "/control.sock"
    }

    private func remedy(_ path: String) -> String? {
        do throws(SystemCallFailure) {
            _ = try UnixListener(path: path)
            return nil
        } catch {
            return error.remedy
        }
    }

    /// A slip in the configuration must cost nobody a file.
    @Test func removesNothingButSockets() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = try make()
        let hint = "What is there is no socket: remove it, or configure another socket path."
        try "precious".write(toFile: path, atomically: false, encoding: .utf8)
        #expect(remedy(path) == hint)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
        let link = folder + "/link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
        #expect(remedy(link) == hint)
        #expect(FileManager.default.fileExists(atPath: link))
        #expect(remedy(folder) == hint)
    }

    @Test func takesOverWhatNobodyListensOnAndNothingElse() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = try make()
        let first = try UnixListener(path: path)
        #expect(remedy(path)?.hasPrefix("Another daemon listens there") == true)
        // What a daemon leaves that was killed.
        let stale = folder + "/stale.sock"
        try FileManager.default.moveItem(atPath: path, toPath: folder + "/moved.sock")
        var killed: UnixListener? = try UnixListener(path: stale)
        try FileManager.default.moveItem(atPath: stale, toPath: path)
        killed = nil
        #expect(killed == nil)
        // Its owner has gone, and finds its own name in no place.
        #expect(FileManager.default.fileExists(atPath: path))
        #expect(remedy(path) == nil)
        withExtendedLifetime(first) {}
    }

    @Test func leavesTheSocketOfWhoCameAfter() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = try make()
        var first: UnixListener? = try UnixListener(path: path)
        try FileManager.default.removeItem(atPath: path)
        let second = try UnixListener(path: path)
        first = nil
        #expect(first == nil && FileManager.default.fileExists(atPath: path))
        withExtendedLifetime(second) {}
    }

    /// One that hangs is alive.
    @Test(.timeLimit(.minutes(1))) func doesNotWaitForOneThatAcceptsNobody() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = try make()
        let listener = try UnixListener(path: path)
        var clients: [Int32] = []
        for _ in 0..<40 {
            let client = socket(
                AF_UNIX,
                Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue),
                0
            )
            clients.append(client)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            unsafe withUnsafeMutableBytes(of: &address.sun_path) {
                unsafe $0.copyBytes(from: path.utf8)
            }
            _ = unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe connect(client, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
        }
        #expect(remedy(path)?.hasPrefix("Another daemon listens there") == true)
        for client in clients { close(client) }
        withExtendedLifetime(listener) {}
    }
}
