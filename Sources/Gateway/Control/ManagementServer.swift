internal import ConnectionControl
internal import Glibc
internal import LinuxIO
internal import Management

/// Answers management clients on a unix socket.
final class ManagementServer {
    /// Clients at once; one more is turned away.
    private static let sessionLimit = 64

    private let listener: UnixListener
    private let loop: EventLoop
    private var sessions: [Int32: ManagementSession] = [:]
    private var clients: [RequestToken: Int32] = [:]
    private var lastToken: UInt64 = 0

    /// Called with each request; the answer goes to `reply`.
    var onRequest: ((RequestToken, ManagementRequest) -> Void)?
    /// Called when a client went away before its last answer.
    var onGone: ((RequestToken) -> Void)?

    init(path: String, loop: EventLoop) throws(SystemCallFailure) {
        listener = try UnixListener(path: path)
        self.loop = loop
    }

    func start() throws(SystemCallFailure) {
        try loop.add(listener.number) { [unowned self] _ in acceptAll() }
    }

    func stop() {
        loop.remove(listener.number)
        for number in sessions.keys { loop.remove(number) }
        sessions = [:]
        clients = [:]
    }

    func reply(_ reply: ManagementReply, to token: RequestToken) {
        guard let number = clients[token], let session = sessions[number] else { return }
        if reply.isLast { clients[token] = nil }
        session.queue(ManagementCodec.encode(reply))
        flush(session)
    }

    /// Whether a client takes what it is sent; false when there is none.
    func keepsUp(_ token: RequestToken) -> Bool {
        guard let number = clients[token], let session = sessions[number] else { return false }
        return session.keepsUp
    }

    private func acceptAll() {
        while let connection = listener.accept() {
            guard sessions.count < ManagementServer.sessionLimit, isTrusted(connection) else {
                continue
            }
            let session = ManagementSession(connection)
            sessions[connection.number] = session
            do throws(SystemCallFailure) {
                try loop.add(connection.number) { [unowned self] readiness in
                    serve(session, readiness)
                }
            } catch {
                sessions[connection.number] = nil
            }
        }
    }

    /// The socket's permissions say it too; this holds also where they were widened by mistake.
    private func isTrusted(_ connection: UnixConnection) -> Bool {
        guard let peer = try? connection.peerCredentials() else { return false }
        return peer.userID == 0 || peer.userID == geteuid()
    }

    private func serve(_ session: ManagementSession, _ readiness: EventLoop.Readiness) {
        if readiness.contains(.writable) { flush(session) }
        guard readiness != .writable, sessions[session.number] === session else { return }
        do throws(ManagementError) {
            for line in try session.read() {
                let request = try ManagementCodec.request(from: line)
                lastToken += 1
                let token = RequestToken(rawValue: lastToken)
                clients[token] = session.number
                onRequest?(token, request)
            }
        } catch {
            session.queue(
                ManagementCodec.encode(
                    .failed(FailureStatus(kind: "bad-request", summary: "\(error)"))
                )
            )
            flush(session)
            close(session)
            return
        }
        if session.isClosed { close(session) }
    }

    private func flush(_ session: ManagementSession) {
        guard session.flush() else {
            close(session)
            return
        }
        loop.change(session.number, to: session.hasOutput ? [.readable, .writable] : .readable)
    }

    private func close(_ session: ManagementSession) {
        guard sessions.removeValue(forKey: session.number) != nil else { return }
        loop.remove(session.number)
        for token in clients.filter({ $0.value == session.number }).keys {
            clients[token] = nil
            onGone?(token)
        }
    }
}

/// One management client.
final class ManagementSession {
    /// A client that does not read what it asked for is let go.
    private static let outputLimit = 32 << 20

    private let connection: UnixConnection
    private var assembler = LineAssembler(limit: ManagementCodec.maximumRequestLength)
    private var output: [UInt8] = []
    private(set) var isClosed = false

    init(_ connection: UnixConnection) {
        self.connection = connection
    }

    var number: Int32 { connection.number }
    var hasOutput: Bool { !output.isEmpty }
    /// What comes unasked for waits while there is more than this.
    private static let comfort = 1 << 18
    var keepsUp: Bool { output.count <= ManagementSession.comfort }

    /// The lines that have come in.
    func read() throws(ManagementError) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        // Bounded, so that one client cannot keep the loop to itself.
        for _ in 0..<16 {
            switch connection.read(limit: 4096) {
            case .bytes(let bytes): lines += try assembler.append(bytes)
            case .wouldBlock: return lines
            case .closed:
                isClosed = true
                return lines
            }
        }
        return lines
    }

    func queue(_ bytes: [UInt8]) {
        output += bytes
    }

    /// Whether the client is still there and keeps up.
    func flush() -> Bool {
        while !output.isEmpty {
            guard let count = connection.write(output[...]) else { return false }
            if count == 0 { return output.count <= ManagementSession.outputLimit }
            output.removeFirst(count)
        }
        return true
    }
}
