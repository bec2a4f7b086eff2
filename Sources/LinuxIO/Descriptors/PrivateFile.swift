internal import Glibc

/// A new file that its owner alone may read, for what is secret.
package enum PrivateFile {
    /// Makes the file, which must not be there: another's would have another's permissions.
    package static func create(_ path: String) throws(SystemCallFailure) -> FileDescriptor {
        try make(path, whereItExists: "Remove it, or name another: keys go to new files only.")
    }

    /// Makes the file in the place of a plain one of this user's, if there is one.
    ///
    /// That one is removed and not written over: who may read it, has it open already or knows it by
    /// another name would get what is written.
    package static func replace(_ path: String) throws(SystemCallFailure) -> FileDescriptor {
        var status = stat()
        if unsafe lstat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFREG else {
                throw SystemCallFailure(
                    call: "open(\(path))",
                    errorNumber: EEXIST,
                    remedy: "It is no plain file: remove it, or name another."
                )
            }
            guard status.st_uid == geteuid() else {
                throw SystemCallFailure(
                    call: "open(\(path))",
                    errorNumber: EEXIST,
                    remedy: "It is another user's: remove it, or name another."
                )
            }
            guard unsafe unlink(path) == 0 || errno == ENOENT else {
                throw .last("unlink(\(path))", remedy: remedy(errno))
            }
        }
        return try make(path)
    }

    private static func make(
        _ path: String,
        whereItExists hint: String = "Remove it, or name another."
    ) throws(SystemCallFailure) -> FileDescriptor {
        let number = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard number >= 0 else {
            throw .last("open(\(path))", remedy: errno == EEXIST ? hint : remedy(errno))
        }
        return FileDescriptor(owning: number)
    }

    private static func remedy(_ number: Int32) -> String? {
        switch number {
        case EACCES, EPERM, EROFS: "Name a file in a directory that you may write to."
        case ENOENT, ENOTDIR: "Check that its directory exists."
        default: nil
        }
    }
}
