internal import CLinux
internal import Glibc
package import IPsecPrimitives

/// A TCP socket that waits for connections, of one IP version.
package final class TCPListener: Sendable {
    private let file: FileDescriptor

    package var number: Int32 { file.number }

    package enum Acceptance: Sendable {
        case connection(TCPConnection)
        /// Nobody waits.
        case nobody
        /// The process can have no more descriptors: those who wait go on waiting.
        case exhausted
    }

    package init(
        bindingTo endpoint: Endpoint,
        mark: PacketMark?
    ) throws(SystemCallFailure) {
        file = try TCPConnection.open(endpoint.address.version, mark: mark)
        // A gateway that starts anew finds connections of the one before, which are closing.
        cygnet_set_option(file.number, SOL_SOCKET, SO_REUSEADDR, 1)
        try SocketSetup.bind(file.number, to: endpoint, name: "tcp")
        guard cygnet_listen(file.number, 128) == 0 else { throw .last("listen(tcp \(endpoint))") }
    }

    package func accept() -> Acceptance {
        var remote = cygnet_address()
        let number = unsafe cygnet_accept(file.number, &remote)
        guard number >= 0 else {
            return errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM
                ? .exhausted : .nobody
        }
        let accepted = FileDescriptor(owning: number)
        guard let local = SocketSetup.localEndpoint(number), let remote = remote.endpoint else {
            return .nobody
        }
        TCPConnection.tune(number)
        return .connection(TCPConnection(accepted, local: local, remote: remote))
    }
}

/// One TCP connection; reads and writes never wait.
package final class TCPConnection: Sendable {
    package enum ReadResult: Equatable, Sendable {
        case bytes([UInt8])
        case wouldBlock
        case closed
    }

    private let file: FileDescriptor
    /// With port zero until the kernel has chosen one.
    package let local: Endpoint
    package let remote: Endpoint

    package var number: Int32 { file.number }

    fileprivate init(_ file: FileDescriptor, local: Endpoint, remote: Endpoint) {
        self.file = file
        self.local = local
        self.remote = remote
    }

    /// Begins to open a connection; the socket becomes writable when it is known how it went.
    ///
    /// - Parameter address: the local one; the unspecified one lets the routing table choose.
    package init(
        openingTo remote: Endpoint,
        from address: IPAddress,
        mark: PacketMark?
    ) throws(SystemCallFailure) {
        file = try TCPConnection.open(remote.address.version, mark: mark)
        TCPConnection.tune(file.number)
        if !address.isUnspecified {
            try SocketSetup.bind(file.number, to: Endpoint(address: address, port: 0), name: "tcp")
        }
        var target = cygnet_address(remote)
        guard unsafe cygnet_connect(file.number, &target) == 0 else {
            throw .last("connect(tcp \(remote))")
        }
        local = SocketSetup.localEndpoint(file.number) ?? Endpoint(address: address, port: 0)
        self.remote = remote
    }

    /// Why a connection that was being opened could not be, in words; nil when it is open.
    package func openingFailure() -> String? {
        let error = cygnet_stream_error(number)
        return error == 0 ? nil : SystemCallFailure.text(of: error)
    }

    package func read(limit: Int = 65_536) -> ReadResult {
        unsafe withUnsafeTemporaryAllocation(byteCount: limit, alignment: 1) { room in
            let count = unsafe Glibc.read(number, room.baseAddress, room.count)
            if count > 0 { return unsafe .bytes(Array(room.prefix(count))) }
            return count < 0 && (errno == EAGAIN || errno == EINTR) ? .wouldBlock : .closed
        }
    }

    /// Writes what the kernel takes now: the number of octets (0 when it takes none), or nil when
    /// the connection is gone.
    package func write(_ bytes: ArraySlice<UInt8>) -> Int? {
        let count = unsafe bytes.withUnsafeBytes { buffer in
            unsafe send(number, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
        }
        if count >= 0 { return count }
        return errno == EAGAIN || errno == EINTR ? 0 : nil
    }

    /// Makes room for so many descriptors in this process, as far as the system lets it.
    package static func allowDescriptors(_ count: Int) { cygnet_allow_descriptors(UInt64(count)) }

    fileprivate static func open(
        _ version: IPVersion,
        mark: PacketMark?
    ) throws(SystemCallFailure) -> FileDescriptor {
        let number = cygnet_open_stream(Int32(version.rawValue))
        guard number >= 0 else { throw .last("socket(tcp over IP\(version))") }
        let file = FileDescriptor(owning: number)
        if version == .v6 {
            cygnet_set_option(number, SocketConstant.ipv6, SocketConstant.ipv6Only, 1)
        }
        if let mark {
            let value = Int32(bitPattern: mark.value)
            guard cygnet_set_option(number, SOL_SOCKET, SO_MARK, value) == 0 else {
                throw .last("setsockopt(tcp, SO_MARK)")
            }
        }
        return file
    }

    /// How long sent octets may wait to be confirmed before the connection counts as broken.
    private static let silenceLimitMilliseconds: Int32 = 30_000
    /// Octets that the system may hold before they are on their way: what waits longer is kept, or
    /// dropped, by who sends (RFC 9329 §9.1).
    private static let unsentOctets: Int32 = 1 << 17

    /// Messages leave at once, and a dead connection is noticed (RFC 9329 §6.7 lets TCP keep-alives
    /// be used, if not as a sign that the peer's IKE lives).
    fileprivate static func tune(_ number: Int32) {
        let tcp = Int32(IPPROTO_TCP)
        for (level, name, value) in [
            (tcp, TCP_NODELAY, 1), (tcp, TCP_USER_TIMEOUT, silenceLimitMilliseconds),
            (tcp, TCP_NOTSENT_LOWAT, unsentOctets), (SOL_SOCKET, SO_KEEPALIVE, 1),
            (tcp, TCP_KEEPIDLE, 30), (tcp, TCP_KEEPINTVL, 10), (tcp, TCP_KEEPCNT, 3),
        ] {
            cygnet_set_option(number, level, name, value)
        }
    }
}
