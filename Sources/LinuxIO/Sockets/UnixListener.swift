internal import CLinux
internal import Glibc

/// A listening unix stream socket, removed from the file system when let go.
package final class UnixListener: Sendable {
    package enum Acceptance: Sendable {
        case connection(UnixConnection)
        /// Nobody waits.
        case nobody
        /// The process can have no more descriptors: those who wait go on waiting.
        case exhausted
    }

    /// What tells one file from another that takes its place.
    private struct Identity: Equatable {
        let device: UInt
        let number: UInt
    }

    package let path: String
    private let file: FileDescriptor
    private let identity: Identity?

    package var number: Int32 { file.number }

    /// Takes over a socket file that nobody listens on any more; refuses one that is in use, and
    /// whatever else stands there.
    /// Makes the socket's own directory when it is missing, as /run/cygnet is after a boot.
    ///
    /// - Parameter mode: the permissions of the socket file, set before it appears.
    package init(path: String, mode: UInt32 = 0o600) throws(SystemCallFailure) {
        var number = unsafe cygnet_unix_listen(path, mode, 16)
        if number < 0, errno == ENOENT, UnixListener.makeDirectory(of: path) {
            number = unsafe cygnet_unix_listen(path, mode, 16)
        }
        if number < 0, errno == EADDRINUSE {
            guard UnixListener.socket(at: path) != nil || path.hasPrefix("@") else {
                throw SystemCallFailure(
                    call: "bind(unix \(path))",
                    errorNumber: EADDRINUSE,
                    remedy:
                        "What is there is no socket: remove it, or configure another socket path."
                )
            }
            if !UnixListener.isHeard(path) { _ = unsafe unlink(path) }
            number = unsafe cygnet_unix_listen(path, mode, 16)
        }
        guard number >= 0 else {
            throw .last("bind(unix \(path))", remedy: UnixListener.remedy(errno, path: path))
        }
        file = FileDescriptor(owning: number)
        identity = UnixListener.socket(at: path)
        self.path = path
    }

    /// Whether anybody listens there, one whose queue is full included.
    private static func isHeard(_ path: String) -> Bool {
        var process: Int32 = 0
        var user: UInt32 = 0
        return unsafe cygnet_unix_listener(path, 0, &process, &user) == 0 || errno != ECONNREFUSED
    }

    deinit {
        // Another may have taken the place.
        if identity != nil, UnixListener.socket(at: path) == identity { _ = unsafe unlink(path) }
    }

    /// The next connection that waits.
    package func accept() -> Acceptance {
        let connection = cygnet_unix_accept(file.number)
        guard connection >= 0 else {
            return errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM
                ? .exhausted : .nobody
        }
        return .connection(UnixConnection(FileDescriptor(owning: connection)))
    }

    /// The socket file at a path; nil where there is none, or something else.
    private static func socket(at path: String) -> Identity? {
        var status = stat()
        guard unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else {
            return nil
        }
        return Identity(device: UInt(status.st_dev), number: UInt(status.st_ino))
    }

    /// Makes the last directory of the path alone: a parent that is missing is likely a slip. On
    /// failure `errno` still says that the directory is missing, unless permission is.
    private static func makeDirectory(of path: String) -> Bool {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return false }
        return unsafe mkdir(String(path[..<slash]), 0o755) == 0
    }

    private static func remedy(_ number: Int32, path: String) -> String? {
        switch number {
        case EADDRINUSE: "Another daemon listens there; stop it, or configure another socket path."
        case ENOENT: "Create the directory first, or configure another socket path."
        case EACCES, EPERM, EROFS: "Choose a directory that this user may write to."
        case ENAMETOOLONG: "Configure a socket path of at most 107 characters."
        default: nil
        }
    }
}

/// One accepted connection on a unix stream socket; reads and writes never wait.
package final class UnixConnection: Sendable {
    /// Who is at the other end, as the kernel vouches for it.
    package struct PeerCredentials: Hashable, Sendable {
        package var processID: Int32
        package var userID: UInt32
        package var groupID: UInt32
    }

    package enum ReadResult: Equatable, Sendable {
        case bytes([UInt8])
        case wouldBlock
        case closed
    }

    private let file: FileDescriptor

    package var number: Int32 { file.number }

    init(_ file: FileDescriptor) {
        self.file = file
    }

    package func peerCredentials() throws(SystemCallFailure) -> PeerCredentials {
        var process: Int32 = 0
        var user: UInt32 = 0
        var group: UInt32 = 0
        guard unsafe cygnet_unix_peer(file.number, &process, &user, &group) == 0 else {
            throw .last("getsockopt(SO_PEERCRED)")
        }
        return PeerCredentials(processID: process, userID: user, groupID: group)
    }

    package func read(limit: Int = 65_536) -> ReadResult {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe Glibc.read(file.number, buffer.baseAddress, buffer.count)
        }
        if count > 0 {
            bytes.removeLast(limit - count)
            return .bytes(bytes)
        }
        return count < 0 && (errno == EAGAIN || errno == EINTR) ? .wouldBlock : .closed
    }

    /// Writes what the kernel takes now: the number of bytes (0 when it takes none), or nil when
    /// the other end has gone.
    package func write(_ bytes: ArraySlice<UInt8>) -> Int? {
        let count = unsafe bytes.withUnsafeBytes { buffer in
            unsafe send(
                file.number,
                buffer.baseAddress,
                buffer.count,
                Int32(MSG_NOSIGNAL)
            )
        }
        if count >= 0 { return count }
        return errno == EAGAIN || errno == EINTR ? 0 : nil
    }
}
