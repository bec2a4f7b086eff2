import Foundation
import Glibc
import Synchronization

/// Answers one client on a socket of its own with prepared bytes, and keeps what it was asked.
final class FakeGateway: Sendable {
    let path: String
    private let listener: Int32
    private let asked = Mutex<[UInt8]>([])

    /// What was asked; whole before the first byte of the answer leaves.
    var request: [UInt8] { asked.withLock { $0 } }

    init() throws {
        path =
            FileManager.default.temporaryDirectory
            .appending(path: "cygnet-\(UUID().uuidString).sock").path
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { target in
            unsafe target.copyBytes(from: path.utf8)
        }
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0, listen(listener, 1) == 0 else { throw POSIXError(.EADDRINUSE) }
    }

    deinit {
        close(listener)
        _ = unsafe unlink(path)
    }

    /// Takes one connection, reads one line and writes `chunks`, each in a write of its own.
    ///
    /// On a thread, not in a task: clients block the few threads that tasks have.
    func answer(with chunks: [[UInt8]]) {
        Thread.detachNewThread { [self] in
            let connection = accept(listener, nil, nil)
            defer { close(connection) }
            var request: [UInt8] = []
            while request.last != 0x0A {
                var byte: UInt8 = 0
                guard unsafe read(connection, &byte, 1) == 1 else { break }
                request.append(byte)
            }
            asked.withLock { $0 = request }
            for chunk in chunks {
                _ = unsafe chunk.withUnsafeBytes {
                    unsafe send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
            }
        }
    }
}
