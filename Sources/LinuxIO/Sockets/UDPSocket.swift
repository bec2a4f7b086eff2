internal import CLinux
internal import Glibc
package import IPsecPrimitives

/// A UDP socket of one IP version that knows, and chooses, its local address for each datagram.
///
/// The kernel makes each call atomic, so that two threads may use one socket.
package final class UDPSocket: Sendable {
    package struct Options: Sendable {
        package var mark: PacketMark? = .own
        /// Receive coalesced segments, queue errors and ask for large buffers: the packet path's
        /// sockets.
        package var isForPackets = false
        /// Bytes asked for in each direction when `isForPackets`.
        package var bufferBytes = 16 << 20
        /// Sockets that are bound to one address and port; each datagram of ESP goes to one of them by
        /// its SPI, as `SocketShare` says, and everything else to the first.
        package var sharers = 1

        package init(mark: PacketMark? = .own, isForPackets: Bool = false, sharers: Int = 1) {
            self.mark = mark
            self.isForPackets = isForPackets
            self.sharers = sharers
        }
    }

    /// One datagram received whole.
    package struct Datagram: Sendable {
        package var bytes: [UInt8]
        package var local: Endpoint
        package var remote: Endpoint
        /// The DSCP and ECN bits of the outer header.
        package var trafficClass: UInt8
    }

    private let file: FileDescriptor
    package let version: IPVersion
    /// As bound; the address may be the unspecified one.
    package let local: Endpoint

    package var number: Int32 { file.number }

    package init(
        bindingTo endpoint: Endpoint,
        options: Options = Options()
    ) throws(SystemCallFailure) {
        let version = endpoint.address.version
        file = try SocketSetup.open(version: version, ipProtocol: 0, name: "udp")
        try SocketSetup.prepare(
            file.number,
            version: version,
            name: "udp",
            mark: options.mark,
            queuesErrors: options.isForPackets
        )
        if version == .v6 {
            // IPv4 has a socket of its own.
            cygnet_set_option(file.number, SocketConstant.ipv6, SocketConstant.ipv6Only, 1)
        }
        if options.isForPackets {
            SocketSetup.enlargeBuffers(file.number, bytes: options.bufferBytes)
            // Best effort: without it batches are merely smaller.
            cygnet_set_option(file.number, SocketConstant.udp, SocketConstant.udpGRO, 1)
        }
        if options.sharers > 1 {
            guard cygnet_set_option(file.number, SOL_SOCKET, SO_REUSEPORT, 1) == 0 else {
                throw .last("setsockopt(udp, SO_REUSEPORT)")
            }
        }
        try SocketSetup.bind(file.number, to: endpoint, name: "udp")
        if options.sharers > 1, cygnet_steer_by_spi(file.number, UInt32(options.sharers)) != 0 {
            throw .last("setsockopt(udp, SO_ATTACH_REUSEPORT_CBPF)")
        }
        self.version = version
        local = SocketSetup.localEndpoint(file.number) ?? endpoint
    }

    /// Asks for buffers of so many bytes in each direction.
    package func enlargeBuffers(bytes: Int) {
        SocketSetup.enlargeBuffers(number, bytes: bytes)
    }

    /// Sends one datagram.
    ///
    /// - Parameter from: the local address to use; nil lets the routing table choose.
    package func send(
        _ bytes: [UInt8],
        from localAddress: IPAddress? = nil,
        to remote: Endpoint,
        trafficClass: UInt8 = 0
    ) throws(SystemCallFailure) {
        let result = unsafe bytes.withUnsafeBufferPointer { buffer -> Int32 in
            var datagram = unsafe cygnet_datagram()
            // One structure serves both directions; sending only reads.
            unsafe datagram.bytes = UnsafeMutablePointer(mutating: buffer.baseAddress)
            unsafe datagram.length = UInt32(buffer.count)
            unsafe datagram.remote = cygnet_address(remote)
            if let localAddress, !localAddress.isUnspecified {
                unsafe datagram.local = cygnet_address(localAddress)
            }
            unsafe datagram.traffic_class = trafficClass
            let first = unsafe cygnet_send(number, &datagram)
            // A queued ICMP error is reported once, instead of sending: try again.
            return first == 0 || errno == EAGAIN || errno == EMSGSIZE
                ? first : unsafe cygnet_send(number, &datagram)
        }
        guard result == 0 else { throw .last("sendmsg(udp to \(remote))") }
    }

    /// The next datagram that has arrived, or nil; those longer than `limit` are dropped.
    package func receive(limit: Int = DatagramRoom.largest) -> Datagram? {
        let room = DatagramRoom(octets: limit, count: 1)
        while true {
            let (datagrams, isMore) = receive(into: room)
            if let datagram = datagrams.first { return datagram }
            if !isMore { return nil }
        }
    }

    /// What has arrived, as many datagrams as there is room for at most, by one system call; and
    /// whether there may be more. Those for which the room is too small are dropped.
    package func receive(into room: DatagramRoom) -> (datagrams: [Datagram], isMore: Bool) {
        unsafe withUnsafeTemporaryAllocation(of: cygnet_datagram.self, capacity: room.count) {
            headers in
            for index in 0..<room.count {
                var header = unsafe cygnet_datagram()
                unsafe header.bytes = room.start(of: index)
                unsafe header.capacity = UInt32(room.octets)
                unsafe headers.initializeElement(at: index, to: header)
            }
            let count = unsafe cygnet_receive(number, headers.baseAddress, UInt32(headers.count))
            guard count >= 0 else {
                // Another error is that of a datagram sent before, and is told once.
                return ([], errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            }
            var datagrams: [Datagram] = []
            datagrams.reserveCapacity(Int(count))
            for index in 0..<Int(count) {
                if let datagram = unsafe datagram(headers[index]) { datagrams.append(datagram) }
            }
            return (datagrams, Int(count) == room.count)
        }
    }

    private func datagram(_ header: cygnet_datagram) -> Datagram? {
        guard unsafe header.is_truncated == 0, let remote = unsafe header.remote.endpoint else {
            return nil
        }
        let address = unsafe header.local.address ?? local.address
        return unsafe Datagram(
            bytes: Array(UnsafeBufferPointer(start: header.bytes, count: Int(header.length))),
            local: Endpoint(address: address, port: local.port),
            remote: remote,
            trafficClass: header.traffic_class
        )
    }
}

/// Room for a few datagrams, to be used again and again. Only what came is copied from it.
@safe package final class DatagramRoom {
    /// No UDP datagram is larger.
    package static let largest = 65_535
    /// A system call each would be dear, and few come at once.
    package static let usualCount = 8

    fileprivate let octets: Int
    fileprivate let count: Int
    private let area: UnsafeMutablePointer<UInt8>

    /// - Parameter octets: of one datagram.
    package init(octets: Int = DatagramRoom.largest, count: Int = DatagramRoom.usualCount) {
        self.octets = octets
        self.count = count
        unsafe area = .allocate(capacity: octets * count)
    }

    fileprivate func start(of index: Int) -> UnsafeMutablePointer<UInt8> {
        unsafe area + index * octets
    }

    deinit { unsafe area.deallocate() }
}
