internal import CLinux
internal import Glibc

/// Asks a gateway over its control socket and waits for the answer.
package struct ManagementClient: Sendable {
    package static let defaultPath = "/run/cygnet/control.sock"

    /// Longest silence that is waited for: negotiation with a silent peer takes minutes, and tells
    /// of each step.
    private static let patience = 300
    /// How long a trace waits at once, in milliseconds.
    private static let traceLook = 100

    package let path: String

    package init(path: String = ManagementClient.defaultPath) {
        self.path = path
    }

    /// Sends `request` and returns the last reply.
    ///
    /// - Parameter progress: called for each line before that, as it comes.
    package func perform(
        _ request: ManagementRequest,
        progress: (String) -> Void = { _ in }
    ) throws(ManagementError) -> ManagementReply {
        let connection = try ControlConnection(path: path)
        try connection.send(ManagementCodec.encode(request))
        var lines = LineAssembler(limit: ManagementCodec.maximumReplyLength)
        while true {
            let bytes = try connection.receive(patience: ManagementClient.patience)
            guard !bytes.isEmpty else { throw .closedEarly }
            for line in try lines.append(bytes) {
                let reply = try ManagementCodec.reply(from: line)
                if case .progress(let text) = reply { progress(text) }
                if reply.isLast { return reply }
            }
        }
    }

    /// What would become of a packet now.
    package func explain(_ packet: PacketQuery) throws(ManagementError) -> PacketStanding {
        switch try perform(.explain(packet)) {
        case .explained(let standing): return standing
        case .failed(let failure): throw .malformed(failure.summary)
        case .status, .reloaded, .progress, .traced, .done: throw .malformed("no answer in it")
        }
    }

    /// Has the gateway tell of packets, until `use` says that it is enough or the time is over.
    ///
    /// - Parameters:
    ///   - seconds: nil: for ever.
    ///   - use: takes each report, and is called every so often with nil where there was none.
    /// - Returns: the gateway's last reply, where it would not go on; nil otherwise.
    package func trace(
        _ request: TraceRequest,
        seconds: Double?,
        use: (TraceReport?) -> Bool
    ) throws(ManagementError) -> ManagementReply? {
        let deadline = seconds.map { ContinuousClock.now + .seconds($0) }
        let connection = try ControlConnection(path: path)
        try connection.send(ManagementCodec.encode(.trace(request)))
        var lines = LineAssembler(limit: ManagementCodec.maximumReplyLength)
        while true {
            if let deadline, ContinuousClock.now >= deadline { return nil }
            let bytes: [UInt8]?
            do throws(ManagementError) {
                bytes = try connection.receive(milliseconds: ManagementClient.traceLook)
            } catch .silent {
                bytes = nil
            }
            guard let bytes else {
                guard use(nil) else { return nil }
                continue
            }
            guard !bytes.isEmpty else { throw .closedEarly }
            for line in try lines.append(bytes) {
                let reply = try ManagementCodec.reply(from: line)
                guard case .traced(let report) = reply else { return reply }
                guard use(report) else { return nil }
            }
        }
    }

    /// The status of the gateway.
    package func status() throws(ManagementError) -> GatewayStatus {
        switch try perform(.status) {
        case .status(let status): return status
        case .failed(let failure): throw .malformed(failure.summary)
        case .reloaded, .progress, .traced, .explained, .done: throw .malformed("no status in it")
        }
    }

    /// Makes the gateway read its configuration again.
    package func reload() throws(ManagementError) -> ReloadStatus {
        switch try perform(.reload) {
        case .reloaded(let status): return status
        case .failed(let failure): throw .malformed(failure.summary)
        case .status, .progress, .traced, .explained, .done: throw .malformed("no outcome in it")
        }
    }
}

/// A stream socket to the gateway; closed when it goes.
private struct ControlConnection: ~Copyable {
    /// A Unix socket's address has room for 108 bytes with the closing zero.
    private static let pathLimit = 107

    private let descriptor: Int32

    init(path: String) throws(ManagementError) {
        guard path.utf8.count <= ControlConnection.pathLimit else {
            throw .pathTooLong(path: path, limit: ControlConnection.pathLimit)
        }
        let descriptor = unsafe cygnet_unix_connect(path)
        guard descriptor >= 0 else {
            switch errno {
            case ENOENT, ECONNREFUSED, ENOTDIR: throw .notRunning(path: path)
            case EACCES, EPERM: throw .notPermitted(path: path)
            default: throw .system(call: "connecting to \(path)", code: errno)
            }
        }
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    func send(_ bytes: [UInt8]) throws(ManagementError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { buffer in
                // A gateway that has gone is an error to tell, not a signal to die of.
                unsafe Glibc.send(
                    descriptor,
                    buffer.baseAddress,
                    buffer.count,
                    Int32(MSG_NOSIGNAL)
                )
            }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                try wait(for: Int16(POLLOUT), milliseconds: 10_000)
            } else if errno == EPIPE || errno == ECONNRESET {
                throw .closedEarly
            } else if errno != EINTR {
                throw .system(call: "send", code: errno)
            }
        }
    }

    /// The next bytes; none at the end of the stream.
    func receive(patience: Int) throws(ManagementError) -> [UInt8] {
        try receive(milliseconds: patience * 1000)
    }

    func receive(milliseconds: Int) throws(ManagementError) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            try wait(for: Int16(POLLIN), milliseconds: milliseconds)
            let count = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe recv(descriptor, bytes.baseAddress, bytes.count, 0)
            }
            if count >= 0 { return Array(buffer.prefix(count)) }
            if errno == ECONNRESET { return [] }
            guard errno == EAGAIN || errno == EINTR else {
                throw .system(call: "recv", code: errno)
            }
        }
    }

    private func wait(for events: Int16, milliseconds: Int) throws(ManagementError) {
        var entry = pollfd(fd: descriptor, events: events, revents: 0)
        let ready = unsafe poll(&entry, 1, Int32(milliseconds))
        if ready == 0 { throw .silent(seconds: milliseconds / 1000) }
        if ready < 0, errno != EINTR { throw .system(call: "poll", code: errno) }
    }
}
