internal import Foundation
internal import Glibc
internal import LinuxIO
internal import NamespaceTesting
internal import Testing

/// The kernel itself tells marks apart.
@Suite("Queues by mark", .enabled(if: NetworkNamespace.isAvailable))
struct MarkSteeringTests {
    private static func up(_ namespace: borrowing NetworkNamespace, _ name: String) throws {
        try namespace.run("ip link set \(name) up")
        try namespace.run("ip address add 10.98.0.1/24 dev \(name)")
        try namespace.run("ip -6 address add fd98::1/64 dev \(name) nodad")
    }

    /// Sends one datagram of a flow of its own for each mark.
    @Sendable private static func send(_ marks: [UInt32]) {
        for mark in marks {
            let file = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
            var (value, address) = (mark, sockaddr_in())
            unsafe setsockopt(file, SOL_SOCKET, SO_MARK, &value, 4)
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = in_port_t(9).bigEndian
            address.sin_addr.s_addr = in_addr_t(0x0a62_0002).bigEndian
            let text = Array("mark \(mark)".utf8)
            _ = unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    let length = socklen_t(MemoryLayout<sockaddr_in>.size)
                    return unsafe sendto(file, text, text.count, 0, $0, length)
                }
            }
            close(file)
        }
    }

    /// The marks of the datagrams that a queue has.
    @Sendable private static func read(_ file: Int32) -> [UInt32] {
        var result: [UInt32] = []
        var bytes = [UInt8](repeating: 0, count: 2048)
        while true {
            let count = unsafe Glibc.read(file, &bytes, bytes.count)
            guard count > 0 else { return result }
            let start = TUNDevice.headerLength + 28
            guard count > start, bytes[TUNDevice.headerLength] >> 4 == 4,
                let text = String(bytes: bytes[start..<count], encoding: .utf8),
                text.hasPrefix("mark "), let mark = UInt32(text.dropFirst(5))
            else { continue }
            result.append(mark)
        }
    }

    /// By mark, from 0 on, what the workers read, in order.
    @Sendable private static func byMark(_ device: TUNDevice, workers: Int) -> [[UInt32]] {
        (0...device.markCount).map { mark in
            (0..<workers).flatMap { worker in
                let own = mark == 0 ? device.number(ofWorker: worker) : nil
                return (own ?? device.number(ofWorker: worker, mark: mark)).map(read) ?? []
            }.sorted()
        }
    }

    @Test(arguments: [1, 2])
    func eachMarkHasQueuesAndTheyCanChange(workers: Int) throws {
        let namespace = try NetworkNamespace("gw")
        let sent = [UInt32](repeating: 0, count: 20) + [0x10, 0x11, 0x2f, 0x20, 0x4_0010, 0x30]
        let steering = try MarkSteering(queues: workers)
        steering.set([PacketMark(value: 0x10, mask: 0xffff), PacketMark(value: 0x20, mask: 0xf0)])
        let device = try namespace.perform {
            try TUNDevice(name: "cyg7", queues: workers, steering: steering, marks: 2)
        }
        try Self.up(namespace, "cyg7")
        let first = try namespace.perform { () -> [[UInt32]] in
            Self.send(sent)
            if workers > 1 {
                // Flows are spread over the workers.
                let shares = (0..<workers).map { Self.read(device.number(ofWorker: $0)).count }
                #expect(shares.allSatisfy { $0 > 0 } && shares.reduce(0, +) == 22)
                Self.send([UInt32](repeating: 0, count: 20) + [0x11, 0x30])
            }
            return Self.byMark(device, workers: workers)
        }
        #expect(first[0] == [UInt32](repeating: 0, count: 20) + [0x11, 0x30])
        #expect(first[1] == [0x10, 0x4_0010] && first[2] == [0x20, 0x2f])
        // Another order, and one more, while the device is in use.
        let larger = try namespace.perform { try device.extended(toMarks: 3) }
        #expect(larger.markCount == 3 && device.markCount == 2)
        #expect(larger.number == device.number)
        steering.set([
            PacketMark(value: 0x20, mask: 0xf0), PacketMark(value: 0x10, mask: 0xffff),
            PacketMark(value: 0x30, mask: 0xff),
        ])
        let second = try namespace.perform { () -> [[UInt32]] in
            Self.send(sent)
            return Self.byMark(larger, workers: workers)
        }
        #expect(second[0] == [UInt32](repeating: 0, count: 20) + [0x11])
        #expect(second[1] == [0x20, 0x2f] && second[2] == [0x10, 0x4_0010] && second[3] == [0x30])
        steering.set([])
        let last = try namespace.perform { () -> [[UInt32]] in
            Self.send(sent)
            return Self.byMark(larger, workers: workers)
        }
        #expect(last[0].count == sent.count && last[1...].allSatisfy(\.isEmpty))
    }

    /// Sends datagrams to a port; those of a socket that is not connected have no hash of the kernel's.
    @Sendable private static func send(_ count: Int, to port: UInt16, isV4: Bool, isConnected: Bool)
    {
        let file = socket(isV4 ? AF_INET : AF_INET6, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(file) }
        var storage = sockaddr_in6()
        storage.sin6_family = sa_family_t(AF_INET6)
        storage.sin6_port = port.bigEndian
        _ = unsafe inet_pton(AF_INET6, "fd98::2", &storage.sin6_addr)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = in_addr_t(0x0a62_0002).bigEndian
        let bytes =
            unsafe isV4
            ? withUnsafeBytes(of: &address) { unsafe Array($0) }
            : withUnsafeBytes(of: &storage) { unsafe Array($0) }
        let text = Array("flow".utf8)
        unsafe bytes.withUnsafeBytes { raw in
            let target = unsafe raw.baseAddress!.assumingMemoryBound(to: sockaddr.self)
            let length = socklen_t(bytes.count)
            if isConnected { _ = unsafe connect(file, target, length) }
            for _ in 0..<count {
                _ =
                    unsafe isConnected
                    ? Glibc.send(file, text, text.count, 0)
                    : sendto(file, text, text.count, 0, target, length)
            }
        }
    }

    /// The ports that datagrams in a queue go to.
    @Sendable private static func ports(_ file: Int32, isV4: Bool) -> Set<UInt16> {
        var result: Set<UInt16> = []
        var bytes = [UInt8](repeating: 0, count: 2048)
        let header = isV4 ? 20 : 40
        while true {
            let count = unsafe Glibc.read(file, &bytes, bytes.count)
            guard count > 0 else { return result }
            let packet = bytes[TUNDevice.headerLength..<count]
            let start = packet.startIndex
            guard packet.count == header + 12, packet[start + (isV4 ? 9 : 6)] == 17 else {
                continue
            }
            result.insert(
                UInt16(packet[start + header + 2]) << 8 | UInt16(packet[start + header + 3])
            )
        }
    }

    @Test(arguments: [true, false], [true, false])
    func aFlowHasOneWorkerAndFlowsHaveSeveral(isV4: Bool, isConnected: Bool) throws {
        let namespace = try NetworkNamespace("gw")
        let steering = try MarkSteering(queues: 4)
        let device = try namespace.perform {
            try TUNDevice(name: "cyg7", queues: 4, steering: steering, marks: 0)
        }
        try Self.up(namespace, "cyg7")
        let shares = try namespace.perform { () -> [Set<UInt16>] in
            for port in UInt16(101)...140 {
                Self.send(3, to: port, isV4: isV4, isConnected: isConnected)
            }
            return (0..<4).map { Self.ports(device.number(ofWorker: $0), isV4: isV4) }
        }
        #expect(shares.reduce(0) { $0 + $1.count } == 40, "a flow had two workers: \(shares)")
        #expect(shares.allSatisfy { $0.count > 2 }, "\(shares)")
    }

    @Test func whatLastedWithOneQueueIsRefusedAndAProgramDoesNotLast() throws {
        let namespace = try NetworkNamespace("gw")
        let steering = try MarkSteering(queues: 1)
        steering.set([PacketMark(value: 1, mask: 0xff)])
        try namespace.perform { try TUNDevice(name: "one").setLasting(true) }
        try namespace.perform {
            let failure = #expect(throws: SystemCallFailure.self) {
                try TUNDevice(name: "one", steering: steering, marks: 1)
            }
            #expect(failure?.remedy.contains("ip link delete one") == true)
        }
        try namespace.perform {
            try TUNDevice(name: "many", steering: steering, marks: 1).setLasting(true)
        }
        let device = try namespace.perform { try TUNDevice(name: "many", queues: 2) }
        #expect(device.markCount == 0 && device.queueCount == 2)
        try Self.up(namespace, "many")
        let shares = try namespace.perform { () -> [[UInt32]] in
            Self.send([UInt32](repeating: 1, count: 20))
            return (0..<2).map { Self.read(device.number(ofWorker: $0)) }
        }
        // As the kernel does by itself: with the program all were for the second.
        #expect(shares.allSatisfy { !$0.isEmpty }, "\(shares)")
    }

    @Test func noQueueIsBeyondTheKernelsLimit() throws {
        let most = try MarkSteering(queues: 64)
        #expect(most.unmarkedQueues + MarkSteering.limit * most.queuesPerMark <= 256)
        #expect(most.queuesPerMark >= 12)
        let usual = try MarkSteering(queues: 16)
        #expect(usual.queuesPerMark == 16)
    }
}
