internal import Glibc
internal import LinuxIO

/// A thread outside Swift's pool, which must not be blocked. Signals are control's, and blocked in it.
final class PacketThread {
    private var thread = pthread_t()
    private var isRunning = false

    /// Carries what is to be done over to the new thread.
    private final class Parcel {
        let body: () -> Void

        init(_ body: @escaping () -> Void) { self.body = body }
    }

    /// Begins `body`, which is the thread's alone from then on.
    init(_ body: sending @escaping () -> Void) throws(SystemCallFailure) {
        let parcel = unsafe Unmanaged.passRetained(Parcel(body))
        let result = unsafe pthread_create(&thread, nil, PacketThread.main, parcel.toOpaque())
        guard result == 0 else {
            unsafe parcel.release()
            throw SystemCallFailure(
                call: "pthread_create",
                errorNumber: result,
                remedy: "Raise the limit on tasks (ulimit -u, TasksMax=)."
            )
        }
        isRunning = true
    }

    /// Waits for its end. May be called again.
    func join() {
        guard isRunning else { return }
        isRunning = false
        _ = pthread_join(thread, nil)
    }

    private static let main: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? =
        { argument in
            var signals = sigset_t()
            unsafe sigfillset(&signals)
            unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
            guard let argument = unsafe argument else { return nil }
            let parcel = unsafe Unmanaged<Parcel>.fromOpaque(argument).takeRetainedValue()
            parcel.body()
            return nil
        }
}
