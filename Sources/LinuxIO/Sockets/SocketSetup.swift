internal import CLinux
internal import Glibc
package import IPsecPrimitives

/// Socket options by the kernel's numbers, which are its ABI and the same on every processor.
enum SocketConstant {
    static let udp: Int32 = 17
    static let udpGRO: Int32 = 104
    static let ip: Int32 = 0
    static let ipv6: Int32 = 41
    static let ipHeaderIncluded: Int32 = 3
    static let ipPacketInformation: Int32 = 8
    static let ipReceiveErrors: Int32 = 11
    static let ipReceiveTTL: Int32 = 12
    static let ipReceiveTrafficClass: Int32 = 13
    static let ipMTUDiscover: Int32 = 10
    static let ipv6Only: Int32 = 26
    static let ipv6MTUDiscover: Int32 = 23
    static let ipv6ReceiveErrors: Int32 = 25
    static let ipv6ReceivePacketInformation: Int32 = 49
    static let ipv6HeaderIncluded: Int32 = 36
    static let ipv6ReceiveHopLimit: Int32 = 51
    static let ipv6ReceiveHopByHopOptions: Int32 = 53
    static let ipv6ReceiveRoutingHeader: Int32 = 56
    static let ipv6ReceiveDestinationOptions: Int32 = 58
    static let ipv6ReceiveTrafficClass: Int32 = 66
}

/// How the kernel treats the DF bit and the path MTU that it learnt.
package enum PathMTUDiscovery: Int32, Sendable {
    /// DF clear: routers may fragment.
    case off = 0
    /// DF set; the kernel refuses what is larger than the path MTU that it knows.
    case on = 2
    /// DF set; the kernel's path MTU is ignored.
    case probe = 3
}

/// The DF bit of a socket's datagrams, whether UDP or raw.
package enum DontFragment {
    /// Switches a socket; the caller remembers the state and calls only on a change.
    @discardableResult
    package static func set(
        _ discovery: PathMTUDiscovery,
        on number: Int32,
        version: IPVersion
    ) -> Bool {
        switch version {
        case .v4:
            cygnet_set_option(
                number,
                SocketConstant.ip,
                SocketConstant.ipMTUDiscover,
                discovery.rawValue
            ) == 0
        case .v6:
            cygnet_set_option(
                number,
                SocketConstant.ipv6,
                SocketConstant.ipv6MTUDiscover,
                discovery.rawValue
            )
                == 0
        }
    }
}

/// One of several sockets that have the packets of one kind among them, told by their SPIs.
package struct SocketShare: Hashable, Sendable {
    /// Gets the packets with this remainder of the SPI by `count`.
    package var index: Int
    package var count: Int

    /// Precondition: `index` is below `count`.
    package init(index: Int, of count: Int) {
        precondition(index >= 0 && index < count)
        self.index = index
        self.count = count
    }
}

/// The steps that UDP and raw sockets share.
enum SocketSetup {
    static func open(
        version: IPVersion,
        ipProtocol: Int32,
        name: String
    ) throws(SystemCallFailure) -> FileDescriptor {
        let number = cygnet_open_socket(Int32(version.rawValue), ipProtocol)
        guard number >= 0 else {
            let lacksVersion = errno == EAFNOSUPPORT
            throw .last(
                "socket(\(name) over IP\(version))",
                remedy: lacksVersion
                    ? "The kernel has no IP\(version); leave its addresses out of the configuration."
                    : nil
            )
        }
        return FileDescriptor(owning: number)
    }

    /// Local addresses, traffic class and TTL are wanted with each datagram.
    ///
    /// - Parameter queuesErrors: whether what routers and hosts say of datagrams is queued. Whoever has
    ///   it queued has to take it off: until then the socket is always ready.
    static func prepare(
        _ number: Int32,
        version: IPVersion,
        name: String,
        mark: PacketMark?,
        queuesErrors: Bool = true
    ) throws(SystemCallFailure) {
        let queuing: Int32 = queuesErrors ? 1 : 0
        let options: [(level: Int32, name: Int32, value: Int32)] =
            switch version {
            case .v4:
                [
                    (SocketConstant.ip, SocketConstant.ipPacketInformation, 1),
                    (SocketConstant.ip, SocketConstant.ipReceiveTrafficClass, 1),
                    (SocketConstant.ip, SocketConstant.ipReceiveTTL, 1),
                    (SocketConstant.ip, SocketConstant.ipReceiveErrors, queuing),
                ]
            case .v6:
                [
                    (SocketConstant.ipv6, SocketConstant.ipv6ReceivePacketInformation, 1),
                    (SocketConstant.ipv6, SocketConstant.ipv6ReceiveTrafficClass, 1),
                    (SocketConstant.ipv6, SocketConstant.ipv6ReceiveHopLimit, 1),
                    (SocketConstant.ipv6, SocketConstant.ipv6ReceiveErrors, queuing),
                ]
            }
        for option in options {
            guard cygnet_set_option(number, option.level, option.name, option.value) == 0 else {
                throw .last("setsockopt(\(name), \(option.level), \(option.name))")
            }
        }
        if let mark {
            let value = Int32(bitPattern: mark.value)
            guard cygnet_set_option(number, SOL_SOCKET, SO_MARK, value) == 0 else {
                throw .last("setsockopt(\(name), SO_MARK)")
            }
        }
    }

    /// Leaves to a raw socket its share, the SPI being so many octets behind the IP header.
    static func keep(
        _ share: SocketShare?,
        of number: Int32,
        version: IPVersion,
        spiOffset: UInt32,
        name: String
    ) throws(SystemCallFailure) {
        guard let share, share.count > 1 else { return }
        guard
            cygnet_keep_spis(
                number,
                Int32(version.rawValue),
                spiOffset,
                UInt32(share.index),
                UInt32(share.count)
            ) == 0
        else { throw .last("setsockopt(\(name), SO_ATTACH_FILTER)") }
    }

    /// Beyond the system's limit where the process has CAP_NET_ADMIN, up to it elsewhere.
    static func enlargeBuffers(_ number: Int32, bytes: Int) {
        let value = Int32(clamping: bytes)
        for (forced, plain) in [(SO_RCVBUFFORCE, SO_RCVBUF), (SO_SNDBUFFORCE, SO_SNDBUF)] {
            if cygnet_set_option(number, SOL_SOCKET, forced, value) != 0 {
                cygnet_set_option(number, SOL_SOCKET, plain, value)
            }
        }
    }

    static func bind(
        _ number: Int32,
        to endpoint: Endpoint,
        name: String
    ) throws(SystemCallFailure) {
        var address = cygnet_address(endpoint)
        guard unsafe cygnet_bind(number, &address) == 0 else {
            let isPrivilegedPort = errno == EACCES && endpoint.port < 1024
            throw .last(
                "bind(\(name) \(endpoint))",
                remedy: isPrivilegedPort
                    ? "Start as root or with CAP_NET_BIND_SERVICE, which is given up afterwards."
                    : nil
            )
        }
    }

    static func localEndpoint(_ number: Int32) -> Endpoint? {
        var address = cygnet_address()
        guard unsafe cygnet_local_address(number, &address) == 0 else { return nil }
        return address.endpoint
    }
}
