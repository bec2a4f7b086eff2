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

    /// Datagrams as a raw socket sends them, for which the kernel has no hash of its own.
    @Sendable private static func datagram(
        to port: UInt16,
        isV4: Bool,
        fragment: (offset: Int, isLast: Bool)? = nil
    ) -> [UInt8] {
        let ports = [0x9c, 0x40, UInt8(port >> 8), UInt8(port & 255), 0, 12, 0, 0]
        // What stands where ports would is data in a fragment behind the first.
        let payload =
            fragment.map { $0.offset > 0 } == true
            ? [UInt8](repeating: UInt8(port & 255), count: 12) : ports + Array("flow".utf8)
        if !isV4 {
            return [0x60, 0, 0, 0, 0, 12, 17, 64] + v6(1) + v6(2) + payload
        }
        let place = (fragment?.offset ?? 0) / 8 + (fragment?.isLast ?? true ? 0 : 0x2000)
        let places = [UInt8(place >> 8), UInt8(place & 255)]
        return [0x45, 0, 0, 32, 0, UInt8(port & 255)] + places + [64, 17, 0, 0]
            + [10, 98, 0, 1, 10, 98, 0, 2] + payload
    }

    private static func v6(_ host: UInt8) -> [UInt8] {
        [0xfd, 0x98] + [UInt8](repeating: 0, count: 13) + [host]
    }

    @Sendable private static func sendRaw(_ packets: [[UInt8]], isV4: Bool) {
        let file = socket(isV4 ? AF_INET : AF_INET6, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_RAW))
        defer { close(file) }
        let target: [UInt8] =
            isV4
            ? [UInt8(AF_INET), 0, 0, 0, 10, 98, 0, 2] + [UInt8](repeating: 0, count: 8)
            : [UInt8(AF_INET6), 0, 0, 0, 0, 0, 0, 0] + v6(2) + [0, 0, 0, 0]
        for packet in packets {
            let sent = unsafe target.withUnsafeBytes { raw in
                unsafe sendto(
                    file,
                    packet,
                    packet.count,
                    0,
                    raw.baseAddress!.assumingMemoryBound(to: sockaddr.self),
                    socklen_t(raw.count)
                )
            }
            precondition(sent == packet.count, "errno \(errno)")
        }
    }

    /// What identifies the packets in a queue: the port, or of IPv4 what the sender chose for it.
    @Sendable private static func flows(_ file: Int32, isV4: Bool) -> [UInt8] {
        var result: [UInt8] = []
        var bytes = [UInt8](repeating: 0, count: 2048)
        while true {
            let count = unsafe Glibc.read(file, &bytes, bytes.count)
            guard count > 0 else { return result }
            let packet = Array(bytes[TUNDevice.headerLength..<count])
            guard packet.count == (isV4 ? 32 : 52), packet[isV4 ? 9 : 6] == 17 else { continue }
            result.append(packet[isV4 ? 5 : 43])
        }
    }

    @Test(arguments: [true, false])
    func aFlowHasOneWorkerAndFlowsHaveSeveral(isV4: Bool) throws {
        let namespace = try NetworkNamespace("gw")
        let steering = try MarkSteering(queues: 4)
        let device = try namespace.perform {
            try TUNDevice(name: "cyg7", queues: 4, steering: steering, marks: 0)
        }
        try Self.up(namespace, "cyg7")
        let shares = try namespace.perform { () -> [[UInt8]] in
            for port in UInt16(101)...140 {
                let packet = Self.datagram(to: port, isV4: isV4)
                Self.sendRaw([packet, packet, packet], isV4: isV4)
            }
            return (0..<4).map { Self.flows(device.number(ofWorker: $0), isV4: isV4) }
        }
        #expect(shares.reduce(0) { $0 + $1.count } == 120)
        let flows = shares.map { Set($0) }
        #expect(flows.reduce(0) { $0 + $1.count } == 40, "a flow had two workers: \(shares)")
        #expect(flows.allSatisfy { $0.count > 2 }, "\(shares)")
    }

    /// Only the first has ports, and whoever reads one is to read the others.
    @Test func fragmentsStayTogether() throws {
        let namespace = try NetworkNamespace("gw")
        let steering = try MarkSteering(queues: 4)
        let device = try namespace.perform {
            try TUNDevice(name: "cyg7", queues: 4, steering: steering, marks: 0)
        }
        try Self.up(namespace, "cyg7")
        let shares = try namespace.perform { () -> [[UInt8]] in
            for port in UInt16(101)...120 {
                let fragments = [(0, false), (16, false), (32, true)].map {
                    Self.datagram(to: port, isV4: true, fragment: $0)
                }
                Self.sendRaw(fragments, isV4: true)
            }
            return (0..<4).map { Self.flows(device.number(ofWorker: $0), isV4: true) }
        }
        #expect(shares.map(\.count).sorted() == [0, 0, 0, 60], "\(shares)")
    }

    @Test func whatLastedWithOneQueueIsRefusedAndAProgramDoesNotLast() throws {
        let namespace = try NetworkNamespace("gw")
        let steering = try MarkSteering(queues: 1)
        steering.set([PacketMark(value: 1, mask: 0xff)])
        try namespace.perform { try TUNDevice(name: "one").setLasting(true) }
        let failure = #expect(throws: SystemCallFailure.self) {
            try namespace.perform { _ = try TUNDevice(name: "one", steering: steering, marks: 1) }
        }
        #expect(failure?.remedy.contains("ip link delete one") == true)
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
