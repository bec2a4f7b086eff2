internal import CLinux
internal import Glibc

/// A TUN device, which exists as long as this value does, unless it is made to last.
package final class TUNDevice: Sendable {
    package let name: String
    /// Whether the kernel may hand over UDP segments uncut (Linux 6.2 and later).
    package let hasUDPSegmentation: Bool
    /// Each has packets of its own, told by their flow; at least one.
    private let queues: [FileDescriptor]

    /// That of the first queue.
    package var number: Int32 { queues[0].number }

    /// Queues that packets may be read from. Fewer than asked for where a device that lasted was made
    /// with one alone.
    package var queueCount: Int { queues.count }

    /// The descriptor that a worker writes to, and that it reads as well if its number is below
    /// `queueCount`.
    package func number(ofWorker worker: Int) -> Int32 { queues[worker % queues.count].number }

    /// Bytes of the virtio_net_hdr before each packet read or written.
    package static let headerLength = 10

    /// Creates the device, with segmentation offloads and a virtio_net_hdr before each packet.
    ///
    /// - Parameter wanted: queues that are read on their own, 1 to 256.
    package init(name: String, queues wanted: Int = 1) throws(SystemCallFailure) {
        guard (1...15).contains(name.utf8.count) else {
            throw SystemCallFailure(
                call: "ioctl(TUNSETIFF \(name))",
                errorNumber: EINVAL,
                remedy: "Give the device a name of 1 to 15 characters."
            )
        }
        let first: FileDescriptor
        var hasManyQueues = wanted > 1
        do throws(SystemCallFailure) {
            first = try TUNDevice.open(name, hasManyQueues: hasManyQueues)
        } catch {
            // A device that lasted is of the kind that it was made with.
            guard error.errorNumber == EINVAL else { throw error }
            hasManyQueues.toggle()
            first = try TUNDevice.open(name, hasManyQueues: hasManyQueues)
        }
        var queues = [first]
        while hasManyQueues, queues.count < wanted {
            queues.append(try TUNDevice.open(name, hasManyQueues: true))
        }
        self.queues = queues
        let number = first.number
        // Always set: a device that outlived its process keeps the flags that it had.
        var hasUDPSegmentation: Int32 = 0
        guard unsafe cygnet_tun_set_offload(number, 1, &hasUDPSegmentation) == 0 else {
            throw .last("ioctl(TUNSETOFFLOAD) for \(name)")
        }
        self.name = name
        self.hasUDPSegmentation = hasUDPSegmentation != 0
    }

    private static func open(
        _ name: String,
        hasManyQueues: Bool
    ) throws(SystemCallFailure) -> FileDescriptor {
        var call: UnsafePointer<CChar>?
        let number = unsafe cygnet_tun_open(name, 1, hasManyQueues ? 1 : 0, &call)
        guard number >= 0 else {
            let failed = unsafe call.map { unsafe String(cString: $0) } ?? "open(/dev/net/tun)"
            throw .last(failed + " for \(name)", remedy: TUNDevice.remedy(errno, name: name))
        }
        return FileDescriptor(owning: number)
    }

    /// Whether the device outlives this process, and then drops what is sent to it.
    package func setLasting(_ isLasting: Bool) throws(SystemCallFailure) {
        guard cygnet_tun_set_persistent(number, isLasting ? 1 : 0) == 0 else {
            throw .last("ioctl(TUNSETPERSIST) for \(name)")
        }
    }

    private static func remedy(_ number: Int32, name: String) -> String? {
        switch number {
        case ENOENT, ENODEV, ENXIO:
            "The kernel has no TUN device: load it (modprobe tun), or give the container /dev/net/tun."
        case EPERM, EACCES: "Run as root, or give the process CAP_NET_ADMIN and /dev/net/tun."
        case EBUSY: "Another process uses \(name); stop it, or configure another device name."
        case EINVAL: "An interface \(name) of another kind exists; configure another device name."
        default: nil
        }
    }
}
