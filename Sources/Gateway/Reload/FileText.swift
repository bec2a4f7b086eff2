internal import Glibc

/// The content of a file of bounded size.
enum FileText {
    struct Refusal: Error, Hashable {
        let reason: String
        let remedy: String
    }

    /// At most `limit` bytes and one more, which shows that there would be others.
    static func read(_ path: String, limit: Int) throws(Refusal) -> [UInt8] {
        // O_NONBLOCK: a FIFO that somebody left there must not hang the gateway.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw refusal(path, errno) }
        defer { close(descriptor) }
        var result: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while result.count <= limit {
            let count = unsafe chunk.withUnsafeMutableBytes {
                unsafe Glibc.read(descriptor, $0.baseAddress, $0.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw refusal(path, errno) }
            if count == 0 { break }
            result += chunk[..<count]
        }
        return Array(result.prefix(limit + 1))
    }

    private static func refusal(_ path: String, _ code: Int32) -> Refusal {
        let words = unsafe String(cString: strerror(code))
        return Refusal(
            reason: "\(path) cannot be read: \(words)",
            remedy: code == EACCES || code == EPERM
                ? "the gateway may read the directories that its files were in when it started: "
                    + "put the file there, or restart the gateway"
                : "put the file in its place"
        )
    }
}
