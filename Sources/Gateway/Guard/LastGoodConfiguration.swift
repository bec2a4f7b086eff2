internal import Glibc
internal import LinuxIO

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
    package static func keep(_ bytes: [UInt8], at path: String) -> Bool {
        for slash in path.indices.dropFirst() where path[slash] == "/" {
            _ = unsafe mkdir(String(path[..<slash]), 0o700)
        }
        let draft = path + ".new"
        // One that a crash has left, whatever it is.
        _ = unsafe unlink(draft)
        guard let file = try? PrivateFile.create(draft) else { return false }
        let isWritten = writeAll(bytes, to: file.number) && fsync(file.number) == 0
        guard isWritten, unsafe rename(draft, path) == 0 else {
            _ = unsafe unlink(draft)
            return false
        }
        return true
    }

    /// Keeps `bytes`, the configuration at `file`.
    ///
    /// - Returns: where that is not possible, a warning that says what it means.
    package static func warning(
        keeping bytes: [UInt8],
        of file: String,
        at path: String? = nil
    ) -> String? {
        let path = path ?? LastGoodConfiguration.path(for: file)
        if keep(bytes, at: path) { return nil }
        return """
            warning: \(file) cannot be kept as \(path): should it be broken at a later start, the guard \
            will be that of an older one, or none; to mend it, make that directory writable
            """
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
