import Glibc
import IPsecPrimitives
import Testing

@testable import LinuxIO

@Suite("UDP sockets")
struct UDPSocketTests {
    /// What poll says of a socket shortly after a datagram went where nobody listens.
    private func events(_ address: String, isForPackets: Bool) throws -> Int32 {
        let here = Endpoint(address: try #require(IPAddress(address)), port: 0)
        let socket = try UDPSocket(
            bindingTo: here,
            options: UDPSocket.Options(mark: nil, isForPackets: isForPackets)
        )
        // A port that was free a moment ago.
        var closed = try UDPSocket(bindingTo: here, options: UDPSocket.Options(mark: nil)).local
        closed.address = here.address
        try socket.send([1, 2, 3], to: closed)
        var entry = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&entry, 1, isForPackets ? 1000 : 200)
        return Int32(entry.revents)
    }

    @Test(
        "an error that comes back does not keep a socket ready that takes no errors off its queue",
        arguments: ["127.0.0.1", "::1"]
    )
    func errorsAreNotQueued(address: String) throws {
        #expect(try events(address, isForPackets: false) == 0)
        #expect(try events(address, isForPackets: true) & POLLERR != 0)
    }

    @Test(
        "several datagrams are received at once, whole and in their order, and too long ones not at all",
        arguments: ["127.0.0.1", "::1"]
    )
    func severalAtOnce(address: String) throws {
        let here = Endpoint(address: try #require(IPAddress(address)), port: 0)
        let sender = try UDPSocket(bindingTo: here, options: UDPSocket.Options(mark: nil))
        let receiver = try UDPSocket(bindingTo: here, options: UDPSocket.Options(mark: nil))
        let room = DatagramRoom(octets: 100, count: 4)
        // The third is too long by one octet.
        for (number, length) in [(0, 3), (1, 100), (2, 101), (3, 0), (4, 7)] {
            let bytes = [UInt8](repeating: UInt8(number), count: length)
            try sender.send(bytes, to: receiver.local)
        }
        let (first, isMore) = receiver.receive(into: room)
        #expect(first.map(\.bytes) == [[0, 0, 0], [UInt8](repeating: 1, count: 100), []])
        #expect(first.allSatisfy { $0.remote == sender.local && $0.local == receiver.local })
        #expect(isMore)
        let (second, isStillMore) = receiver.receive(into: room)
        #expect(second.map(\.bytes) == [[UInt8](repeating: 4, count: 7)])
        #expect(!isStillMore)
        #expect(receiver.receive(into: room).datagrams.isEmpty)
        #expect(receiver.receive() == nil)
    }
}
