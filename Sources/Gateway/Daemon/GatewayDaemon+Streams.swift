internal import Configuration
internal import ConnectionControl
internal import DataPlane
internal import IKEProtocol
internal import IPsecPrimitives
internal import LinuxIO
internal import Logging
internal import PacketProtection

// IKE and ESP over TCP (RFC 9329).
extension GatewayDaemon {
    func registerStreams() {
        streams.onMessage = { [unowned self] datagram in handle(.datagram(datagram)) }
        streams.onOpened = { [unowned self] attempt, ends in
            handle(.streamOpened(attempt, local: ends.local, remote: ends.remote))
        }
        streams.onFailed = { [unowned self] attempt, reason in
            handle(.streamFailed(attempt, reason))
        }
        streams.onClosed = { [unowned self] ends in
            handle(.streamClosed(local: ends.local, remote: ends.remote))
        }
        streams.onCommand = { [unowned self] command in dataPlane.post(.stream(command)) }
        streams.inUse = { [unowned self] in controller.streamsInUse }
    }

    /// Carries out a command, and gives the packet path the connection that an SA goes by.
    func post(_ command: PacketPathCommand) {
        dataPlane.post(command)
        // Behind the command: ESP may lie ready in the connection.
        if let path = command.path, path.encapsulation == .tcp {
            streams.carry(StreamEnds(local: path.local, remote: path.remote))
        }
    }

    func take(_ number: StreamNumber, _ ending: StreamEnding) {
        if ending != .closed {
            logger.info("a TCP connection is closed: \(ending.reason)")
        }
        streams.ended(number, ending)
    }

    /// RFC 9329 §5: an end that may be reached by TCP "MUST listen on the configured port(s)"; one
    /// without such a connection has no port open.
    func listenForStreams() {
        for failure in streams.listen(at: ListeningSockets.streamEndpoints(configuration)) {
            logger.error("peers cannot come by TCP: \(failure)")
        }
    }
}

extension StreamEnding {
    fileprivate var reason: String {
        switch self {
        case .closed: "its end came"
        case .fault: "a length that cannot be, or content that is neither IKE nor ESP"
        case .outOfStep: "packets one after the other that are of no SA"
        case .slowReader: "the other end does not read"
        case .overload: "its IKE messages came faster than they can be dealt with"
        case .refused: "too many connections carry tunnels"
        }
    }
}
