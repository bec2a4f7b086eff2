internal import Glibc

/// An open file descriptor, closed when its last owner lets go.
package final class FileDescriptor: Sendable {
    package let number: Int32

    /// Takes ownership of `number`.
    package init(owning number: Int32) {
        precondition(number >= 0, "a descriptor that is not open")
        self.number = number
    }

    deinit {
        close(number)
    }
}
