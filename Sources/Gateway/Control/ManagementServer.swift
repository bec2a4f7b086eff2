internal import ConnectionControl
internal import Glibc
internal import IPsecPrimitives
internal import LinuxIO
internal import Management

/// Answers management clients on a unix socket.
final class ManagementServer {
    /// Clients at once; one more is turned away.
    private static let sessionLimit = 64

    /// How long is waited for descriptors, where there are none for one more client.
    private static let pause = Duration.milliseconds(500)

    private let listener: UnixListener
    private let loop: EventLoop
    private let timer: TimerDescriptor
    private var sessions: [Int32: ManagementSession] = [:]
    private var clients: [RequestToken: ManagementSession] = [:]
    private var lastToken: UInt64 = 0

    /// Called with each request; the answer goes to `reply`.
    var onRequest: ((RequestToken, ManagementRequest) -> Void)?
    /// Called when a client went away before its last answer.
    var onGone: ((RequestToken) -> Void)?

    init(path: String, loop: EventLoop) throws(SystemCallFailure) {
        timer = try TimerDescriptor()
        listener = try UnixListener(path: path)
        self.loop = loop
    }

    func start() throws(SystemCallFailure) {
        try loop.add(timer.number) { [unowned self] _ in
            timer.acknowledge()
            listen()
        }
        try loop.add(listener.number) { [unowned self] _ in acceptAll() }
    }

    func stop() {
        loop.remove(timer.number)
        loop.remove(listener.number)
        for number in sessions.keys { loop.remove(number) }
        sessions = [:]
        clients = [:]
    }

    func reply(_ reply: ManagementReply, to token: RequestToken) {
        guard let session = clients[token] else { return }
        session.queue(ManagementCodec.encode(reply))
        if reply.isLast {
            clients[token] = nil
            session.isAnswered()
        }
        flush(session)
    }

    /// Whether a client takes what it is sent; false when there is none.
    func keepsUp(_ token: RequestToken) -> Bool { clients[token]?.keepsUp ?? false }

    private func acceptAll() {
        while true {
            switch listener.accept() {
            case .nobody: return
            case .exhausted:
                // Those who wait would wake the loop without end.
                loop.remove(listener.number)
                return timer.arm(at: BootClock.now() + ManagementServer.pause)
            case .connection(let connection): admit(connection)
            }
        }
    }

    /// Begins again after a pause.
    private func listen() {
        do throws(SystemCallFailure) {
            try loop.add(listener.number) { [unowned self] _ in acceptAll() }
        } catch {
            timer.arm(at: BootClock.now() + ManagementServer.pause)
        }
    }

    private func admit(_ connection: UnixConnection) {
        guard sessions.count < ManagementServer.sessionLimit, isTrusted(connection) else { return }
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

    /// The socket's permissions say it too; this holds also where they were widened by mistake.
    private func isTrusted(_ connection: UnixConnection) -> Bool {
        guard let peer = try? connection.peerCredentials() else { return false }
        return peer.userID == 0 || peer.userID == geteuid()
    }

    private func serve(_ session: ManagementSession, _ readiness: EventLoop.Readiness) {
        if readiness.contains(.writable) { flush(session) }
        guard isHere(session) else { return }
        // Who has gone altogether waits for no answer.
        let hasGone = !readiness.isDisjoint(with: [.hangUp, .error])
        if hasGone, session.isWaiting || session.hasEnded { return close(session) }
        do throws(ManagementError) {
            if readiness != .writable { try session.read() }
            try takeRequest(of: session)
        } catch {
            session.queue(
                ManagementCodec.encode(
                    .failed(FailureStatus(kind: "bad-request", summary: "\(error)"))
                )
            )
            flush(session)
            return close(session)
        }
        if isHere(session) { flush(session) }
    }

    /// One at a time, so that answers come in the order of the requests: the next is taken when the
    /// last answer to this one is on its way, in another turn of the loop.
    private func takeRequest(of session: ManagementSession) throws(ManagementError) {
        guard !session.isWaiting, let line = session.nextLine() else { return }
        let request = try ManagementCodec.request(from: line)
        lastToken += 1
        let token = RequestToken(rawValue: lastToken)
        clients[token] = session
        session.isAsking()
        onRequest?(token, request)
    }

    private func isHere(_ session: ManagementSession) -> Bool {
        sessions[session.number] === session
    }

    private func flush(_ session: ManagementSession) {
        guard isHere(session) else { return }
        guard session.flush(), !session.isDone else { return close(session) }
        loop.change(session.number, to: session.interest)
    }

    private func close(_ session: ManagementSession) {
        guard isHere(session) else { return }
        sessions[session.number] = nil
        loop.remove(session.number)
        for token in clients.filter({ $0.value === session }).keys {
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
    /// Requests that wait for their turn: no more than one reading brings.
    private var lines: [[UInt8]] = []
    private var output: [UInt8] = []
    /// Whether a request has not had its last answer.
    private(set) var isWaiting = false
    /// Whether the client sends nothing more.
    private(set) var hasEnded = false

    init(_ connection: UnixConnection) {
        self.connection = connection
    }

    var number: Int32 { connection.number }
    private var hasOutput: Bool { !output.isEmpty }
    /// What comes unasked for waits while there is more than this.
    private static let comfort = 1 << 18
    var keepsUp: Bool { output.count <= ManagementSession.comfort }
    /// Whether all that was asked is answered, and nothing more will be.
    var isDone: Bool { hasEnded && !isWaiting && lines.isEmpty && !hasOutput }

    /// What the loop is to tell of: a request that waits for its turn has it at once.
    var interest: EventLoop.Readiness {
        var interest: EventLoop.Readiness = []
        if hasOutput || !isWaiting && !lines.isEmpty { interest.insert(.writable) }
        if !isWaiting, lines.isEmpty, !hasEnded { interest.insert(.readable) }
        return interest
    }

    /// Reads what has come in, unless there is something to do before.
    func read() throws(ManagementError) {
        // Bounded, so that one client cannot keep the loop to itself.
        for _ in 0..<16 where !isWaiting && lines.isEmpty && !hasEnded {
            switch connection.read(limit: 4096) {
            case .bytes(let bytes): lines += try assembler.append(bytes)
            case .wouldBlock: return
            case .closed: hasEnded = true
            }
        }
    }

    func nextLine() -> [UInt8]? { lines.isEmpty ? nil : lines.removeFirst() }

    func isAsking() { isWaiting = true }

    func isAnswered() { isWaiting = false }

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
