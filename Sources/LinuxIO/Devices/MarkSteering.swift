internal import CLinux
internal import Glibc

/// A program in the kernel by which TUN devices have queues of their own for packets with certain marks,
/// so that whoever reads them knows which mark each had: the device does not hand it over.
///
/// Loaded once, with privileges; devices can be given it, and its marks changed, without any.
///
/// `@unchecked Sendable` because the marks are plain memory. What makes it right: one thread sets them,
/// each in one piece, and only the kernel reads them.
@safe package final class MarkSteering: @unchecked Sendable {
    /// Marks may be so many.
    package static let limit = Int(CYGNET_MARKS_MAXIMUM)
    /// The kernel gives a device no more queues.
    private static let queueLimit = 256

    /// Queues of a device for what has none of the marks.
    package let unmarkedQueues: Int
    /// Queues for each mark: as many, or fewer where a device cannot have so many.
    package let queuesPerMark: Int

    private let program: FileDescriptor
    private let marks: UnsafeMutablePointer<UInt64>

    /// - Parameter queues: of a device for what has none of the marks, 1 to 64.
    package init(queues: Int) throws(SystemCallFailure) {
        precondition((1...64).contains(queues))
        unmarkedQueues = queues
        queuesPerMark = min(queues, (MarkSteering.queueLimit - queues) / MarkSteering.limit)
        var call: UnsafePointer<CChar>?
        var place: UnsafeMutablePointer<UInt64>?
        let number = unsafe cygnet_steering_load(
            UInt32(unmarkedQueues),
            UInt32(queuesPerMark),
            &place,
            &call
        )
        guard number >= 0, let marks = unsafe place else {
            let failed = unsafe call.map { unsafe String(cString: $0) } ?? "bpf"
            throw .last(
                failed + " for traffic classes by mark",
                remedy: MarkSteering.remedy(errno)
            )
        }
        program = FileDescriptor(owning: number)
        unsafe self.marks = marks
    }

    deinit { unsafe cygnet_steering_unload(marks) }

    /// Sets which marks have queues, by their order. Precondition: `limit` at most, of which no two cover
    /// one mark of a packet.
    package func set(_ marks: [PacketMark]) {
        precondition(marks.count <= MarkSteering.limit)
        for index in 0..<MarkSteering.limit {
            let mark = index < marks.count ? marks[index] : PacketMark(value: 0, mask: 0)
            unsafe cygnet_steering_set(self.marks, UInt32(index), mark.value, mark.mask)
        }
    }

    /// Has a device ask the program.
    func attach(to device: FileDescriptor, _ name: String) throws(SystemCallFailure) {
        guard cygnet_steering_attach(device.number, program.number) == 0 else {
            throw .last("ioctl(TUNSETSTEERINGEBPF) for \(name)")
        }
    }

    /// Has a device ask no program, which one that lasted may do still.
    static func detach(from device: FileDescriptor) {
        // A kernel that knows of none (before 4.16) refuses.
        _ = cygnet_steering_attach(device.number, -1)
    }

    private static func remedy(_ number: Int32) -> String {
        switch number {
        case EPERM, EACCES:
            "Give the process CAP_BPF besides (CAP_SYS_ADMIN before Linux 5.8), which it drops once "
                + "this is done, or match by DSCP instead of mark."
        case EINVAL, ENOSYS:
            "The kernel cannot do it: Linux 5.5 can, if built with CONFIG_BPF_SYSCALL; match by DSCP "
                + "instead of mark."
        default: SystemCallFailure.generalRemedy(number)
        }
    }
}
