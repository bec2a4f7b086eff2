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
}
