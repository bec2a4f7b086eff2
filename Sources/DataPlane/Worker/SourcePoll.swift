internal import CLinux
internal import Glibc
internal import IPsecPrimitives
internal import LinuxIO
internal import PacketProtection

/// A socket as the worker sees it: numbers only, so that nothing is counted on the way.
struct SourceSocket {
    enum Kind {
        case udp
        case esp
        /// AH, and whatever goes out with an IP header of its own.
        case header
    }

    var number: Int32
    var version: IPVersion
    var kind: Kind
    /// The port that is bound, 0 for raw sockets.
    var port: UInt16
    /// The address that is bound; unspecified for all.
    var address: IPAddress

    static func all(of configuration: DataPlaneConfiguration) -> [SourceSocket] {
        configuration.udpSockets.map {
            SourceSocket(
                number: $0.number,
                version: $0.version,
                kind: .udp,
                port: $0.local.port,
                address: $0.local.address
            )
        }
            + configuration.rawSockets.map {
                SourceSocket(
                    number: $0.number,
                    version: $0.version,
                    kind: .esp,
                    port: 0,
                    address: .unspecified($0.version)
                )
            }
            + configuration.headerSockets.map {
                SourceSocket(
                    number: $0.number,
                    version: $0.version,
                    kind: .header,
                    port: 0,
                    address: .unspecified($0.version)
                )
            }
    }
}

/// Which of the worker's sources have something, by epoll (level-triggered).
final class SourcePoll {
    private let file: FileDescriptor
    private let alarm: TimerDescriptor
    private let sockets: [SourceSocket]
    private let worker: Int
    private var readiness: [UInt32]
    private var tokens = [UInt64](repeating: 0, count: SourcePoll.maximum)
    private var events = [UInt32](repeating: 0, count: SourcePoll.maximum)

    private static let maximum = 64
    private static let commandToken = 0
    private static let firstSocketToken = 1
    /// Above it are the numbers of devices, and from its 16th bit on the marks of what is read.
    private static let firstDeviceToken: UInt64 = 1 << 32
    /// Above it are the indices of TCP connections.
    private static let firstStreamToken: UInt64 = 1 << 33
    private static let readable: UInt32 = 0x1
    private static let writable: UInt32 = 0x4
    private static let error: UInt32 = 0x8
    private static let add: Int32 = 1
    private static let remove: Int32 = 2
    private static let modify: Int32 = 3

    /// What a TCP connection is ready for.
    struct Readiness {
        fileprivate var events: UInt32

        var isWritable: Bool { events & SourcePoll.writable != 0 }
        /// Errors and ends too show when it is read.
        var isReadable: Bool { events & ~SourcePoll.writable != 0 }
    }

    private var readyStreams: [(index: Int, readiness: Readiness)] = []
    private var firstStream = 0
    /// A device that has packets with a mark, or with none (0).
    struct ReadyDevice {
        var number: UInt16
        var mark: UInt8
    }

    private var readyDevices: [ReadyDevice] = []
    private var lostDevices: [UInt16] = []

    init(_ setup: WorkerSetup) throws(SystemCallFailure) {
        let number = cygnet_epoll_create()
        guard number >= 0 else {
            throw SystemCallFailure(
                call: "epoll_create1",
                errorNumber: errno,
                remedy: "Raise the limit on open files (ulimit -n, LimitNOFILE=)."
            )
        }
        file = FileDescriptor(owning: number)
        sockets = SourceSocket.all(of: setup.configuration)
        worker = setup.place.index
        alarm = try TimerDescriptor()
        // The last is the alarm's.
        readiness = [UInt32](repeating: 0, count: SourcePoll.firstSocketToken + sockets.count + 1)
        readyStreams.reserveCapacity(SourcePoll.maximum)
        readyDevices.reserveCapacity(SourcePoll.maximum)
        lostDevices.reserveCapacity(SourcePoll.maximum)
        let descriptors = [setup.commands.descriptor] + sockets.map(\.number) + [alarm.number]
        for (token, descriptor) in descriptors.enumerated() {
            guard watch(descriptor, token: UInt64(token)) else { throw SourcePoll.refused() }
        }
        guard watch(setup.configuration.device, .shared) else { throw SourcePoll.refused() }
    }

    private static func refused() -> SystemCallFailure {
        SystemCallFailure(
            call: "epoll_ctl",
            errorNumber: errno,
            remedy: "Raise the limit fs.epoll.max_user_watches."
        )
    }

    private func watch(_ descriptor: Int32, token: UInt64) -> Bool {
        cygnet_epoll_control(
            file.number,
            SourcePoll.add,
            descriptor,
            SourcePoll.readable,
            token
        ) == 0
    }

    /// Whether the device is looked at from now on, as far as it has packets for this worker alone.
    func watch(_ device: TUNDevice, _ number: DeviceNumber) -> Bool {
        queues(of: device).allSatisfy { file, mark in
            watch(
                file,
                token: SourcePoll.firstDeviceToken + UInt64(mark) << 16 + UInt64(number.rawValue)
            )
        }
    }

    /// What this worker reads of a device: descriptors, each with the mark of its packets.
    private func queues(of device: TUNDevice) -> [(file: Int32, mark: Int)] {
        let unmarked =
            worker < device.queueCount ? [(file: device.number(ofWorker: worker), mark: 0)] : []
        return unmarked
            + (0..<device.markCount).compactMap { index in
                device.number(ofWorker: worker, mark: index + 1).map { ($0, index + 1) }
            }
    }

    /// Whether a TCP connection is looked at from now on.
    func watch(_ connection: TCPConnection, _ index: Int) -> Bool {
        watch(connection.number, token: SourcePoll.firstStreamToken + UInt64(index))
    }

    /// Tells too, or no longer, when a TCP connection takes more.
    func watch(_ stream: Int32, _ index: Int, isBlocked: Bool) {
        _ = cygnet_epoll_control(
            file.number,
            SourcePoll.modify,
            stream,
            SourcePoll.readable | (isBlocked ? SourcePoll.writable : 0),
            SourcePoll.firstStreamToken + UInt64(index)
        )
    }

    /// Has `wait` end at a moment, also one gone by; nil: no more.
    func wake(at instant: Instant?) { alarm.arm(at: instant) }

    var socketCount: Int { sockets.count }

    func socket(_ index: Int) -> SourceSocket { sockets[index] }

    /// Waits until a source has something, at most so long.
    func wait(milliseconds: Int32) {
        for index in readiness.indices { readiness[index] = 0 }
        readyStreams.removeAll(keepingCapacity: true)
        readyDevices.removeAll(keepingCapacity: true)
        lostDevices.removeAll(keepingCapacity: true)
        let count = unsafe tokens.withUnsafeMutableBufferPointer { tokens in
            unsafe events.withUnsafeMutableBufferPointer { events in
                unsafe cygnet_epoll_wait(
                    file.number,
                    tokens.baseAddress,
                    events.baseAddress,
                    Int32(SourcePoll.maximum),
                    milliseconds
                )
            }
        }
        guard count > 0 else { return }
        for index in 0..<Int(count) {
            if tokens[index] < SourcePoll.firstDeviceToken {
                readiness[Int(tokens[index])] = events[index]
                continue
            }
            if tokens[index] >= SourcePoll.firstStreamToken {
                let stream = Int(tokens[index] - SourcePoll.firstStreamToken)
                readyStreams.append((stream, Readiness(events: events[index])))
                continue
            }
            let device = UInt16(truncatingIfNeeded: tokens[index] - SourcePoll.firstDeviceToken)
            if events[index] & SourcePoll.readable != 0 {
                let mark = UInt8(truncatingIfNeeded: tokens[index] >> 16)
                readyDevices.append(ReadyDevice(number: device, mark: mark))
            }
            if events[index] & SourcePoll.error != 0 { lostDevices.append(device) }
        }
    }

    var hasCommands: Bool { readiness[SourcePoll.commandToken] != 0 }

    var readyStreamCount: Int { readyStreams.count }

    /// Puts those that are ready in the order of their numbers, beginning behind `last`: where others
    /// can take only so much, each has its turn.
    func arrangeStreams(after last: Int) {
        guard readyStreams.count > 1 else { return firstStream = 0 }
        readyStreams.sort { $0.index < $1.index }
        firstStream = readyStreams.firstIndex { $0.index > last } ?? 0
    }

    func readyStream(_ index: Int) -> (index: Int, readiness: Readiness) {
        readyStreams[(index &+ firstStream) % readyStreams.count]
    }

    var readyDeviceCount: Int { readyDevices.count }
    func readyDevice(_ index: Int) -> ReadyDevice { readyDevices[index] }

    /// The next of the devices that are no more; they then say so for ever.
    func takeLostDevice() -> UInt16? { lostDevices.popLast() }

    /// Looks no more at a device, and forgets what it was found to be.
    func forget(_ device: TUNDevice, _ number: DeviceNumber) {
        for queue in queues(of: device) { forget(queue.file) }
        lostDevices.removeAll { $0 == number.rawValue }
        readyDevices.removeAll { $0.number == number.rawValue }
    }

    /// Looks no more at a TCP connection, or at what else has a descriptor.
    func forget(_ descriptor: Int32) {
        _ = cygnet_epoll_control(file.number, SourcePoll.remove, descriptor, 0, 0)
    }

    func isReadable(_ index: Int) -> Bool {
        readiness[SourcePoll.firstSocketToken + index] & SourcePoll.readable != 0
    }

    func hasErrors(_ index: Int) -> Bool {
        readiness[SourcePoll.firstSocketToken + index] & SourcePoll.error != 0
    }
}
