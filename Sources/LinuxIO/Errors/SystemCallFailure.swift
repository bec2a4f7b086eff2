internal import Glibc

/// A system call that the kernel refused, and what the operator can do about it.
package struct SystemCallFailure: Error, Hashable, Sendable {
    /// The call as a reader of the manual knows it: `bind(udp 0.0.0.0:500)`.
    package var call: String
    /// The kernel's error number.
    package var errorNumber: Int32
    /// One sentence with the remedy.
    package var remedy: String

    package init(call: String, errorNumber: Int32, remedy: String) {
        self.call = call
        self.errorNumber = errorNumber
        self.remedy = remedy
    }

    /// The failure of the call that has just returned, from `errno`.
    static func last(_ call: String, remedy: String? = nil) -> SystemCallFailure {
        let number = errno
        return SystemCallFailure(
            call: call,
            errorNumber: number,
            remedy: remedy ?? generalRemedy(number)
        )
    }

    /// What usually helps against an error number, whatever the call.
    static func generalRemedy(_ number: Int32) -> String {
        switch number {
        case EPERM, EACCES:
            "Run as root, or give the process CAP_NET_ADMIN and CAP_NET_RAW."
        case EADDRINUSE:
            "Another program holds this port; stop it (often a second IKE daemon) and try again."
        case EADDRNOTAVAIL: "Give an address that this machine owns."
        case EMFILE, ENFILE: "Raise the limit on open files (ulimit -n, LimitNOFILE=)."
        case ENOMEM, ENOBUFS: "Free some memory, or give the machine more."
        case EAFNOSUPPORT, EPROTONOSUPPORT:
            "The kernel lacks this protocol; load its module or configure without it."
        case ENOENT: "Check that the path exists."
        default: "See the kernel log (dmesg) for the reason."
        }
    }

    static func text(of number: Int32) -> String {
        guard let text = unsafe strerror(number) else { return "error \(number)" }
        return unsafe String(cString: text)
    }
}

extension SystemCallFailure: CustomStringConvertible {
    /// `bind(udp 0.0.0.0:500): Address already in use. Another program holds this port; …`
    package var description: String {
        "\(call): \(SystemCallFailure.text(of: errorNumber)). \(remedy)"
    }
}
