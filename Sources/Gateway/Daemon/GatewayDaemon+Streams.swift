internal import Configuration
internal import ConnectionControl
internal import IKEProtocol
internal import IPsecPrimitives
internal import LinuxIO
internal import Logging

// IKE over TCP (RFC 9329).
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
        streams.inUse = { [unowned self] in controller.streamsInUse }
    }

    /// RFC 9329 §5: an end that may be reached by TCP "MUST listen on the configured port(s)"; one
    /// without such a connection has no port open.
    func listenForStreams() {
        for failure in streams.listen(at: ListeningSockets.streamEndpoints(configuration)) {
            logger.error("peers cannot come by TCP: \(failure)")
        }
    }
}
