internal import CLinux

/// What becomes of a process that writes where nobody reads any more (SIGPIPE).
package enum BrokenPipe {
    /// The process ends without a word, as tools do: `cygnet trace | head -1`.
    package static func endsTheProcess() { cygnet_broken_pipe_ends(1) }

    /// What is written is lost, and that is all: a gateway outlives who reads its log.
    package static func isIgnored() { cygnet_broken_pipe_ends(0) }

    /// Whether the reader of a pipe, or of what else is at a descriptor, has gone.
    package static func isThere(at descriptor: Int32) -> Bool {
        cygnet_is_broken_pipe(descriptor) != 0
    }
}
