internal import Glibc

/// A copy of the last configuration that was valid, so that a broken one cannot open the guard
/// when the machine starts. It holds no secret: those are in files of their own.
package enum LastGoodConfiguration {
    package static let directory = "/var/lib/cygnet/last-good"

    /// Where the copy of the configuration at `file` is kept: one copy a file, since several
    /// gateways may share a machine, each in a network namespace of its own.
    package static func path(for file: String) -> String {
        let absolute = file.hasPrefix("/") ? file : workingDirectory + "/" + file
        let name = absolute.map { $0 == "/" ? "%2F" : $0 == "%" ? "%25" : String($0) }
        return directory + "/" + name.joined()
    }

    /// A configuration file is smaller than this.
    private static let byteLimit = 16 << 20

    /// Keeps `bytes`, in one step: a crash leaves the old copy or the new one.
    ///
    /// - Returns: whether it was kept; a read-only system is no reason not to run.
    @discardableResult
    package static func keep(_ bytes: [UInt8], at path: String) -> Bool {
        for slash in path.indices.dropFirst() where path[slash] == "/" {
            _ = unsafe mkdir(String(path[..<slash]), 0o700)
        }
        let draft = path + ".new"
        let descriptor = unsafe open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return false }
        let isWritten = writeAll(bytes, to: descriptor) && fsync(descriptor) == 0
        close(descriptor)
        guard isWritten, unsafe rename(draft, path) == 0 else {
            _ = unsafe unlink(draft)
            return false
        }
        return true
    }

    /// The copy, or nil when there is none.
    package static func load(from path: String) -> [UInt8]? {
        guard let bytes = try? FileText.read(path, limit: byteLimit) else { return nil }
        return bytes.count <= byteLimit ? bytes : nil
    }

    private static var workingDirectory: String {
        guard let path = unsafe getcwd(nil, 0) else { return "" }
        defer { unsafe free(path) }
        return unsafe String(cString: path)
    }

    private static func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes {
                unsafe write(descriptor, $0.baseAddress, $0.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
