internal import CLinux
internal import Glibc

/// A TUN device, which exists as long as this value does, unless it is made to last.
package final class TUNDevice: Sendable {
    package let name: String
    /// Whether the kernel may hand over UDP segments uncut (Linux 6.2 and later).
    package let hasUDPSegmentation: Bool
    /// Each has packets of its own: first those without marks, told by their flow, at least one; then
    /// those of each mark.
    private let queues: [FileDescriptor]
    private let steering: MarkSteering?

    /// That of the first queue.
    package var number: Int32 { queues[0].number }

    /// Queues that packets without marks may be read from. Fewer than asked for where a device that
    /// lasted was made with one alone.
    package var queueCount: Int { steering?.unmarkedQueues ?? queues.count }

    /// Marks that have queues of their own.
    package var markCount: Int {
        guard let steering else { return 0 }
        return (queues.count - steering.unmarkedQueues) / steering.queuesPerMark
    }

    /// The descriptor that a worker writes to, and that it reads as well if its number is below
    /// `queueCount`.
    package func number(ofWorker worker: Int) -> Int32 { queues[worker % queueCount].number }

    /// The descriptor by which a worker reads packets with a mark, from 1 to `markCount`; nil where it
    /// has none.
    package func number(ofWorker worker: Int, mark: Int) -> Int32? {
        guard let steering, (1...MarkSteering.limit).contains(mark), mark <= markCount,
            worker < steering.queuesPerMark
        else { return nil }
        let first = steering.unmarkedQueues + (mark - 1) * steering.queuesPerMark
        return queues[first + worker].number
    }

    /// Bytes of the virtio_net_hdr before each packet read or written.
    package static let headerLength = 10

    /// Creates the device, with segmentation offloads and a virtio_net_hdr before each packet.
    ///
    /// - Parameters:
    ///   - wanted: queues that are read on their own, 1 to 256; with `steering` as many as it has for
    ///     unmarked packets.
    ///   - steering: what tells marks apart.
    ///   - marks: how many of them have queues of their own, `MarkSteering.limit` at most.
    package init(
        name: String,
        queues wanted: Int = 1,
        steering: MarkSteering? = nil,
        marks: Int = 0
    ) throws(SystemCallFailure) {
        guard (1...15).contains(name.utf8.count) else {
            throw SystemCallFailure(
                call: "ioctl(TUNSETIFF \(name))",
                errorNumber: EINVAL,
                remedy: "Give the device a name of 1 to 15 characters."
            )
        }
        let (first, hasManyQueues) = try TUNDevice.openFirst(
            name,
            hasManyQueues: wanted > 1 || steering != nil
        )
        if let steering {
            guard hasManyQueues else { throw TUNDevice.madeWithOneQueue(name) }
            try steering.attach(to: first, name)
        } else if hasManyQueues {
            MarkSteering.detach(from: first)
        }
        let count = steering.map { $0.unmarkedQueues + marks * $0.queuesPerMark } ?? wanted
        var queues = [first]
        while hasManyQueues, queues.count < count {
            queues.append(try TUNDevice.open(name, hasManyQueues: true))
        }
        self.queues = queues
        self.steering = steering
        let number = first.number
        // Always set: a device that outlived its process keeps the flags that it had.
        var hasUDPSegmentation: Int32 = 0
        guard unsafe cygnet_tun_set_offload(number, 1, &hasUDPSegmentation) == 0 else {
            throw .last("ioctl(TUNSETOFFLOAD) for \(name)")
        }
        self.name = name
        self.hasUDPSegmentation = hasUDPSegmentation != 0
    }

    /// The same device with queues for more marks, which are opened. Whoever reads it changes over
    /// before packets have those marks.
    private init(
        extending device: TUNDevice,
        _ steering: MarkSteering,
        marks: Int
    ) throws(SystemCallFailure) {
        name = device.name
        hasUDPSegmentation = device.hasUDPSegmentation
        self.steering = steering
        var queues = device.queues
        // The kernel numbers them in the order in which they are opened, and the program counts on it:
        // so none is closed while the device is in use.
        while queues.count < steering.unmarkedQueues + marks * steering.queuesPerMark {
            queues.append(try TUNDevice.open(device.name, hasManyQueues: true))
        }
        self.queues = queues
    }

    /// The device with queues for so many marks at least, to take the place of this one: itself where
    /// it has them.
    package func extended(toMarks marks: Int) throws(SystemCallFailure) -> TUNDevice {
        guard let steering, marks > markCount else { return self }
        return try TUNDevice(extending: self, steering, marks: marks)
    }

    /// The first queue, and whether there can be others.
    private static func openFirst(
        _ name: String,
        hasManyQueues: Bool
    ) throws(SystemCallFailure) -> (queue: FileDescriptor, hasManyQueues: Bool) {
        do throws(SystemCallFailure) {
            return (try open(name, hasManyQueues: hasManyQueues), hasManyQueues)
        } catch {
            // A device that lasted is of the kind that it was made with.
            guard error.errorNumber == EINVAL else { throw error }
            return (try open(name, hasManyQueues: !hasManyQueues), !hasManyQueues)
        }
    }

    private static func madeWithOneQueue(_ name: String) -> SystemCallFailure {
        SystemCallFailure(
            call: "ioctl(TUNSETIFF \(name), IFF_MULTI_QUEUE) for traffic classes by mark",
            errorNumber: EINVAL,
            remedy: "The interface was made before any class had a mark, and kept: delete it "
                + "(ip link delete \(name)) and start again. Routes to it that are not the "
                + "configuration's go with it."
        )
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
