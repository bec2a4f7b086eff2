internal import CLinux
internal import Glibc

/// A seccomp filter that refuses what a gateway never needs, in every thread of the process.
package enum SystemCallFilter {
    /// Refuses the calls with EPERM from here on, for good. Call `Privileges.reduce` first.
    package static func install() throws(SystemCallFailure) {
        let result = unsafe refused.withUnsafeBufferPointer { buffer in
            unsafe cygnet_seccomp_refuse(buffer.baseAddress, Int32(buffer.count))
        }
        guard result == 0 else {
            throw .last(
                "seccomp(SECCOMP_SET_MODE_FILTER)",
                remedy:
                    "The kernel lacks seccomp (CONFIG_SECCOMP_FILTER); the daemon can run without."
            )
        }
    }

    /// Starting programs, reaching into other processes, changing the system beyond its network.
    #if arch(x86_64)
        private static let refused: [Int32] = [
            59, 322,  // execve, execveat
            101, 310, 311,  // ptrace, process_vm_readv, process_vm_writev
            57, 58,  // fork, vfork
            165, 166, 155, 161,  // mount, umount2, pivot_root, chroot
            428, 429, 430, 431, 432, 433, 442,  // open_tree … fspick, mount_setattr
            175, 313, 176,  // init_module, finit_module, delete_module
            246, 320,  // kexec_load, kexec_file_load
            321, 298, 323,  // bpf, perf_event_open, userfaultfd
            248, 249, 250,  // add_key, request_key, keyctl
            425, 426, 427,  // io_uring_setup, io_uring_enter, io_uring_register
            169, 167, 168, 163,  // reboot, swapon, swapoff, acct
            170, 171,  // sethostname, setdomainname
            164, 227, 159, 305,  // settimeofday, clock_settime, adjtimex, clock_adjtime
            172, 173, 103,  // iopl, ioperm, syslog
            308, 272,  // setns, unshare
            304, 303,  // open_by_handle_at, name_to_handle_at
            105, 106, 113, 114, 117, 119, 116,  // setuid … setgroups
            133, 259,  // mknod, mknodat
            139, 156, 180, 154,  // sysfs, _sysctl, nfsservctl, modify_ldt
            434, 438,  // pidfd_open, pidfd_getfd
        ]
    #elseif arch(arm64)
        private static let refused: [Int32] = [
            221, 281,  // execve, execveat
            117, 270, 271,  // ptrace, process_vm_readv, process_vm_writev
            40, 39, 41, 51,  // mount, umount2, pivot_root, chroot
            428, 429, 430, 431, 432, 433, 442,  // open_tree … fspick, mount_setattr
            105, 273, 106,  // init_module, finit_module, delete_module
            104, 294,  // kexec_load, kexec_file_load
            280, 241, 282,  // bpf, perf_event_open, userfaultfd
            217, 218, 219,  // add_key, request_key, keyctl
            425, 426, 427,  // io_uring_setup, io_uring_enter, io_uring_register
            142, 224, 225, 89,  // reboot, swapon, swapoff, acct
            161, 162,  // sethostname, setdomainname
            170, 112, 171, 266,  // settimeofday, clock_settime, adjtimex, clock_adjtime
            116, 268, 97,  // syslog, setns, unshare
            264, 265,  // name_to_handle_at, open_by_handle_at
            146, 144, 143, 145, 147, 149, 159,  // setuid … setgroups
            33,  // mknodat
            434, 438,  // pidfd_open, pidfd_getfd
        ]
    #endif
}
