internal import Glibc

/// A new file that its owner alone may read, for what is secret.
package enum PrivateFile {
    /// Makes the file, which must not be there: another's would have another's permissions.
    package static func create(_ path: String) throws(SystemCallFailure) -> FileDescriptor {
        let number = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard number >= 0 else {
            let remedy: String? =
                errno == EEXIST ? "Remove it, or name another: keys go to new files only." : nil
            throw .last("open(\(path))", remedy: remedy)
        }
        return FileDescriptor(owning: number)
    }
}
